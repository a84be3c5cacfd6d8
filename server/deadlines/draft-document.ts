import type { Language } from '../../incidents/words.ts'
import type { DraftField, DraftValue } from './dora-draft.ts'
import type { Stage } from './dora-form.ts'

const words = {
  en: {
    ...{ initial: 'Initial notification', intermediate: 'Intermediate report' },
    ...{ final: 'Final report', draft: 'DRAFT, not submitted', incident: 'Incident' },
    ...{ known: 'known', estimated: 'estimate', missing: 'MISSING', conditional: 'only if' },
    ...{ field: 'Field', title: 'Title', value: 'Value', state: 'State', facts: 'From' },
    ...{ yes: 'yes', no: 'no', made: 'Filled from the facts on file at', source: 'Source' },
    note: 'What is missing was not said in the incident; nothing here is made up. Not legal advice.',
  },
  zh: {
    ...{ initial: '初始通知', intermediate: '中期报告' },
    ...{ final: '最终报告', draft: '草稿，未提交', incident: '事件' },
    ...{ known: '已知', estimated: '估计', missing: '缺失', conditional: '仅当' },
    ...{ field: '字段', title: '名称', value: '内容', state: '状态', facts: '依据' },
    ...{ yes: '是', no: '否', made: '根据当时在案事实填写', source: '来源' },
    note: '缺失的内容在事件中没有记录；此处没有任何编造。本文不是法律意见。',
  },
  vi: {
    ...{ initial: 'Thông báo ban đầu', intermediate: 'Báo cáo giữa kỳ' },
    ...{ final: 'Báo cáo cuối cùng', draft: 'BẢN NHÁP, chưa gửi', incident: 'Sự cố' },
    ...{ known: 'đã biết', estimated: 'ước tính', missing: 'THIẾU', conditional: 'chỉ khi' },
    ...{ field: 'Trường', title: 'Tên', value: 'Nội dung', state: 'Trạng thái', facts: 'Từ' },
    ...{ yes: 'có', no: 'không', made: 'Điền từ các sự kiện đã ghi lúc', source: 'Nguồn' },
    note: 'Điều còn thiếu chưa được ghi trong sự cố; không có gì ở đây là bịa đặt. Không phải tư vấn pháp lý.',
  },
  ru: {
    ...{ initial: 'Первичное уведомление', intermediate: 'Промежуточный отчёт' },
    ...{ final: 'Итоговый отчёт', draft: 'ЧЕРНОВИК, не отправлен', incident: 'Инцидент' },
    ...{ known: 'известно', estimated: 'оценка', missing: 'НЕТ', conditional: 'только если' },
    ...{ field: 'Поле', title: 'Название', value: 'Значение', state: 'Состояние', facts: 'Из' },
    ...{ yes: 'да', no: 'нет', made: 'Заполнено по фактам, записанным на', source: 'Источник' },
    note: 'Чего нет, то не было записано в инциденте; здесь ничего не придумано. Не юридическая консультация.',
  },
} as const satisfies Record<Language, Record<string, string>>

/** A draft for one reader. */
export interface DraftDocument {
  readonly stage: Stage
  readonly source: string
  readonly incident: { readonly number: number; readonly title: string }
  /** RFC 3339. */
  readonly made: string
  readonly fields: readonly DraftField[]
}

/** The draft as Markdown. Titles of fields stay as the regulation has them, so that they are found on the form. */
export function draftMarkdown(draft: DraftDocument, language: Language): string {
  const say = words[language]
  const line = (text: string) => text.replace(/[\r\n]+/g, ' ').replace(/([\\|`*_<>[\]])/g, '\\$1')
  const shown = (value: DraftValue | null): string => {
    if (value === null) return ''
    if (typeof value === 'boolean') return value ? say.yes : say.no
    return line(Array.isArray(value) ? value.join(', ') : String(value))
  }
  const rows = draft.fields.map(({ number, title, state, value, note, facts }) => {
    const why = note === null ? '' : line(note)
    const what = state === 'conditional' ? `${say.conditional}: ${why}` : say[state]
    const cell = [shown(value), state === 'conditional' ? '' : why].filter((one) => one !== '')
    return `| ${number} | ${line(title)} | ${cell.join('; ')} | ${what} | ${facts.map(line).join(', ')} |`
  })
  const { number, title } = draft.incident
  return [
    ...[
      `# ${say[draft.stage]} (${say.draft})`,
      '',
      `${say.incident} ${number}: ${line(title)}`,
      '',
    ],
    ...[`${say.made} ${draft.made}. ${say.source}: ${draft.source}.`, '', `*${say.note}*`, ''],
    `| ${say.field} | ${say.title} | ${say.value} | ${say.state} | ${say.facts} |`,
    ...['|---|---|---|---|---|', ...rows, ''],
  ].join('\n')
}
