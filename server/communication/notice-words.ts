import type { State } from '../../incidents/workflow.ts'
import type { Language } from '../notify/plugin.ts'

type Form = 'opening' | 'update' | 'restored' | 'closing'

/** The words of notices in one language. */
export interface NoticeWords {
  /** The line on top, before the incident's title or the services. */
  readonly titles: Readonly<Record<Form, string>>
  /** The first sentence to customers. */
  readonly intro: Readonly<Record<Form, string>>
  readonly outro: string
  /** Before the title of a notice that replaces another. */
  readonly correction: string
  /** The first sentence of a correction; `{time}` is when the other was sent. */
  readonly replaces: string
  readonly incident: string
  readonly what: string
  readonly since: string
  readonly ended: string
  readonly services: string
  readonly hosts: string
  readonly customers: string
  readonly regions: string
  readonly departments: string
  readonly customersAffected: string
  readonly callsFailed: string
  readonly severity: string
  readonly major: string
  readonly doing: string
  readonly cause: string
  readonly confidence: string
  readonly measures: string
  readonly nextUpdate: string
  readonly noneNext: string
  readonly estimate: string
  /** Said for what nobody has written down. */
  readonly unknown: string
  readonly states: Readonly<Record<State, string>>
}

export const noticeWords: Readonly<Record<Language, NoticeWords>> = {
  en: {
    titles: {
      opening: 'Disturbance',
      update: 'Update on the disturbance',
      restored: 'Restored',
      closing: 'Closing report',
    },
    intro: {
      opening: 'We inform you of a disturbance of our services.',
      update: 'This is what we know now of the disturbance of our services.',
      restored: 'Our services work again.',
      closing: 'The disturbance of our services has been dealt with.',
    },
    outro: 'We apologise for the inconvenience.',
    correction: 'Correction',
    replaces: 'This replaces our notice of {time}. What is written here holds.',
    incident: 'Incident',
    what: 'What was seen',
    since: 'Since',
    ended: 'Works again since',
    services: 'Services affected',
    hosts: 'Hosts',
    customers: 'Customers',
    regions: 'Regions',
    departments: 'Departments',
    customersAffected: 'Customers affected',
    callsFailed: 'Calls failed',
    severity: 'Severity',
    major: 'major incident',
    doing: 'What is being done',
    cause: 'Cause',
    confidence: 'confidence',
    measures: 'Measures',
    nextUpdate: 'Next update by',
    noneNext: 'no time is promised',
    estimate: 'estimated',
    unknown: 'not known yet',
    states: {
      draft: 'it is being recorded',
      recorded: 'it is recorded; nobody has been sent yet',
      plan_active: 'a plan is followed; a technician is being sent',
      dispatched: 'a technician has taken it',
      investigating: 'a technician is at it',
      restored: 'it works again; the cause is being looked for',
      root_cause: 'it works again; the cause is being looked for',
      review: 'it works again; the analysis is being reviewed',
      closed: 'it is closed',
      cancelled: 'it was cancelled',
      merged: 'it is dealt with together with another one',
    },
  },
  zh: {
    titles: {
      opening: '服务故障通知',
      update: '故障进展',
      restored: '服务已恢复',
      closing: '故障结案通报',
    },
    intro: {
      opening: '我们的服务目前出现故障,特此通知。',
      update: '以下是目前掌握的故障情况。',
      restored: '我们的服务已恢复正常。',
      closing: '本次服务故障已处理完毕。',
    },
    outro: '给您带来不便,我们深表歉意。',
    correction: '更正',
    replaces: '本通知替代我方 {time} 发出的通知,请以本通知为准。',
    incident: '事件',
    what: '现象',
    since: '开始时间',
    ended: '恢复时间',
    services: '受影响的服务',
    hosts: '主机',
    customers: '客户',
    regions: '地区',
    departments: '部门',
    customersAffected: '受影响客户数',
    callsFailed: '失败呼叫数',
    severity: '严重程度',
    major: '重大事件',
    doing: '处理情况',
    cause: '原因',
    confidence: '可信度',
    measures: '措施',
    nextUpdate: '下次通报不迟于',
    noneNext: '未承诺时间',
    estimate: '估计',
    unknown: '尚不清楚',
    states: {
      draft: '正在登记',
      recorded: '已登记,尚未派人',
      plan_active: '已启动预案,正在派遣技术人员',
      dispatched: '技术人员已接单',
      investigating: '技术人员正在处理',
      restored: '已恢复,正在查找原因',
      root_cause: '已恢复,正在查找原因',
      review: '已恢复,分析正在复核',
      closed: '已关闭',
      cancelled: '已取消',
      merged: '与另一事件一并处理',
    },
  },
  vi: {
    titles: {
      opening: 'Thông báo sự cố',
      update: 'Cập nhật sự cố',
      restored: 'Dịch vụ đã khôi phục',
      closing: 'Báo cáo kết thúc sự cố',
    },
    intro: {
      opening: 'Chúng tôi xin thông báo dịch vụ đang gặp sự cố.',
      update: 'Dưới đây là những gì chúng tôi biết đến lúc này về sự cố.',
      restored: 'Dịch vụ của chúng tôi đã hoạt động trở lại.',
      closing: 'Sự cố dịch vụ đã được xử lý xong.',
    },
    outro: 'Chúng tôi xin lỗi vì sự bất tiện này.',
    correction: 'Đính chính',
    replaces:
      'Thông báo này thay cho thông báo của chúng tôi lúc {time}. Nội dung dưới đây là đúng.',
    incident: 'Sự cố',
    what: 'Hiện tượng',
    since: 'Từ lúc',
    ended: 'Khôi phục lúc',
    services: 'Dịch vụ bị ảnh hưởng',
    hosts: 'Máy chủ',
    customers: 'Khách hàng',
    regions: 'Khu vực',
    departments: 'Phòng ban',
    customersAffected: 'Số khách hàng bị ảnh hưởng',
    callsFailed: 'Số cuộc gọi lỗi',
    severity: 'Mức độ',
    major: 'sự cố nghiêm trọng',
    doing: 'Đang thực hiện',
    cause: 'Nguyên nhân',
    confidence: 'độ tin cậy',
    measures: 'Biện pháp',
    nextUpdate: 'Cập nhật tiếp theo trước',
    noneNext: 'không hứa thời điểm',
    estimate: 'ước tính',
    unknown: 'chưa rõ',
    states: {
      draft: 'đang ghi nhận',
      recorded: 'đã ghi nhận; chưa cử ai',
      plan_active: 'đã kích hoạt phương án; đang cử kỹ thuật viên',
      dispatched: 'kỹ thuật viên đã nhận việc',
      investigating: 'kỹ thuật viên đang xử lý',
      restored: 'đã khôi phục; đang tìm nguyên nhân',
      root_cause: 'đã khôi phục; đang tìm nguyên nhân',
      review: 'đã khôi phục; bản phân tích đang được xem xét',
      closed: 'đã đóng',
      cancelled: 'đã hủy',
      merged: 'được xử lý cùng một sự cố khác',
    },
  },
  ru: {
    titles: {
      opening: 'Сбой',
      update: 'Новости о сбое',
      restored: 'Работа восстановлена',
      closing: 'Итог по сбою',
    },
    intro: {
      opening: 'Сообщаем о сбое в работе наших услуг.',
      update: 'Вот что известно о сбое к этому времени.',
      restored: 'Наши услуги снова работают.',
      closing: 'Сбой в работе наших услуг устранён.',
    },
    outro: 'Приносим извинения за неудобства.',
    correction: 'Поправка',
    replaces: 'Это сообщение заменяет наше сообщение от {time}. Верно то, что написано здесь.',
    incident: 'Инцидент',
    what: 'Что наблюдалось',
    since: 'С какого времени',
    ended: 'Снова работает с',
    services: 'Затронутые услуги',
    hosts: 'Узлы',
    customers: 'Клиенты',
    regions: 'Регионы',
    departments: 'Подразделения',
    customersAffected: 'Затронуто клиентов',
    callsFailed: 'Несостоявшихся вызовов',
    severity: 'Тяжесть',
    major: 'значительный инцидент',
    doing: 'Что делается',
    cause: 'Причина',
    confidence: 'уверенность',
    measures: 'Меры',
    nextUpdate: 'Следующее сообщение не позднее',
    noneNext: 'время не обещано',
    estimate: 'оценка',
    unknown: 'пока неизвестно',
    states: {
      draft: 'записывается',
      recorded: 'записан; пока никто не направлен',
      plan_active: 'действует план; направляется специалист',
      dispatched: 'специалист принял работу',
      investigating: 'специалист работает на месте или удалённо',
      restored: 'работа восстановлена; ищется причина',
      root_cause: 'работа восстановлена; ищется причина',
      review: 'работа восстановлена; анализ проверяется',
      closed: 'закрыт',
      cancelled: 'отменён',
      merged: 'рассматривается вместе с другим',
    },
  },
}
