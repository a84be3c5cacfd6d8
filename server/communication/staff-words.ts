import type { Language } from '../notify/plugin.ts'

/** What the incident's own people are told. */
export type StaffForm = 'assignment' | 'overdue' | 'undelivered' | 'unanswered'

/** What a word may name. */
export interface StaffScope {
  readonly number: number
  readonly title: string
  /** What was written for the reader, or what happened. */
  readonly about: string
  /** As people read it, with its zone; absent: none. */
  readonly by?: string
}

interface StaffWords {
  readonly titles: Readonly<Record<StaffForm, string>>
  readonly says: Readonly<Record<StaffForm, string>>
  readonly by: Readonly<Record<StaffForm, string>>
}

const words: Readonly<Record<Language, StaffWords>> = {
  en: {
    titles: {
      assignment: 'Assigned to you: incident',
      overdue: 'Update overdue: incident',
      undelivered: 'Notice not delivered: incident',
      unanswered: 'Nobody takes it: incident',
    },
    says: {
      assignment: 'Accept or decline by the link.',
      overdue: 'The update that was promised has not been sent. Write and send one.',
      undelivered: 'A notice did not reach its receiver; see why and send it by another way.',
      unanswered: 'Nobody who was asked has accepted. Name a technician.',
    },
    by: {
      assignment: 'Answer by',
      overdue: 'Was promised by',
      undelivered: 'Since',
      unanswered: 'Since',
    },
  },
  zh: {
    titles: {
      assignment: '指派给您:事件',
      overdue: '进展通报逾期:事件',
      undelivered: '通知未送达:事件',
      unanswered: '无人接单:事件',
    },
    says: {
      assignment: '请通过链接接单或拒单。',
      overdue: '承诺的进展通报尚未发送,请编写并发送。',
      undelivered: '有一份通知未送达,请查看原因并改用其他方式。',
      unanswered: '被询问的人均未接单,请指定技术人员。',
    },
    by: {
      assignment: '请在此前答复',
      overdue: '承诺时间',
      undelivered: '时间',
      unanswered: '时间',
    },
  },
  vi: {
    titles: {
      assignment: 'Giao cho bạn: sự cố',
      overdue: 'Quá hạn cập nhật: sự cố',
      undelivered: 'Thông báo chưa gửi được: sự cố',
      unanswered: 'Chưa ai nhận: sự cố',
    },
    says: {
      assignment: 'Nhận hoặc từ chối qua liên kết.',
      overdue: 'Bản cập nhật đã hứa chưa được gửi. Hãy viết và gửi.',
      undelivered: 'Một thông báo không đến nơi; hãy xem lý do và gửi bằng cách khác.',
      unanswered: 'Không ai trong số người được hỏi nhận việc. Hãy chỉ định kỹ thuật viên.',
    },
    by: {
      assignment: 'Trả lời trước',
      overdue: 'Đã hứa trước',
      undelivered: 'Từ lúc',
      unanswered: 'Từ lúc',
    },
  },
  ru: {
    titles: {
      assignment: 'Назначено вам: инцидент',
      overdue: 'Сообщение просрочено: инцидент',
      undelivered: 'Уведомление не доставлено: инцидент',
      unanswered: 'Никто не берётся: инцидент',
    },
    says: {
      assignment: 'Примите или отклоните по ссылке.',
      overdue: 'Обещанное сообщение не отправлено. Напишите и отправьте его.',
      undelivered: 'Уведомление не дошло; посмотрите причину и отправьте иначе.',
      unanswered: 'Никто из спрошенных не принял работу. Назовите специалиста.',
    },
    by: {
      assignment: 'Ответить до',
      overdue: 'Было обещано к',
      undelivered: 'С какого времени',
      unanswered: 'С какого времени',
    },
  },
}

/** The title and the text of a word in one language. */
export function staffWord(
  form: StaffForm,
  language: Language,
  { number, title, about, by }: StaffScope,
): { readonly title: string; readonly text: string } {
  const of = words[language]
  const lines = [of.says[form], about, ...(by === undefined ? [] : [`${of.by[form]}: ${by}`])]
  return { title: `${of.titles[form]} ${number}, ${title}`, text: lines.join('\n') }
}
