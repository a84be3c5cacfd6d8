import type { clockTextsEn } from './clock-texts-en.ts'

export const clockTextsRu: Readonly<Record<keyof typeof clockTextsEn, string>> = {
  'clockText.response': 'Реакция',
  'clockText.restore': 'Восстановление',
  'clockText.firstUpdate': 'Первое сообщение клиентам',
  'clockText.update': 'Сообщения о ходе работ',
  'clockText.review': 'Разбор инцидента',
  'clockText.sla': 'Реакция, восстановление и сообщения по уровням',
  'clockText.slaCaution':
    'Это значения по умолчанию, а не закон и не ваш договор: частота сообщений и срок разбора взяты из опубликованной практики, сроки реакции и восстановления — наши. Замените их своими.',
  'clockText.dora': 'DORA (ЕС): отчёты о значимых ИКТ-инцидентах',
  'clockText.doraCaution':
    'По тексту Официального журнала в чужой копии, не с eur-lex.europa.eu. До применения каждый срок должны подтвердить юристы; дополнительно действуют национальное право и указания регулятора.',
  'clockText.doraInitial': 'Первичное уведомление',
  'clockText.doraIntermediate': 'Промежуточный отчёт',
  'clockText.doraUpdated': 'Обновлённый промежуточный отчёт после восстановления работы',
  'clockText.doraFinal': 'Окончательный отчёт',
  'clockText.doraReclassified': 'Сообщение регулятору: инцидент признан незначимым',
  'clockText.doraClients': 'Сообщение клиентам, чьи финансовые интересы затронуты',
  'clockText.pauseCustomer': 'ждём клиента',
  'clockText.pauseAccess': 'нет доступа',
  'clockText.pauseWindow': 'согласованное окно работ',
  'clockText.pauseForce': 'форс-мажор',
}
