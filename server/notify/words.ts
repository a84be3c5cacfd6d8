import type { Language, MessageKind } from './message.ts'

/** The words of the default texts in one language. */
export interface Words {
  readonly kind: Readonly<Record<MessageKind, string>>
  /** For SMS. */
  readonly short: Readonly<Record<MessageKind, string>>
  readonly severity: Readonly<Record<'critical' | 'warning' | 'info', string>>
  readonly server: string
  readonly site: string
  readonly customer: string
  readonly impact: string
  readonly startedAt: string
  readonly endedAt: string
  readonly acknowledgedBy: string
  readonly incident: string
  readonly step: string
  readonly reason: string
  readonly alerts: string
  readonly more: string
  readonly open: string
  readonly runbook: string
  readonly reference: string
  /** What a test message and the daily canary say; nothing has to be done. */
  readonly testText: string
  readonly canaryText: string
  /** Put where a text was cut; `{count}` is how many characters are missing. */
  readonly truncated: string
}

export const words: Readonly<Record<Language, Words>> = {
  en: {
    kind: {
      firing: 'Alert',
      resolved: 'Resolved',
      acknowledged: 'Acknowledged',
      escalated: 'Escalated to you',
      test: 'Test message',
      canary: 'Daily check',
      notice: 'Notice',
    },
    short: {
      firing: 'ALERT',
      resolved: 'OK',
      acknowledged: 'ACK',
      escalated: 'ESCALATED',
      test: 'TEST',
      canary: 'CHECK',
      notice: 'NOTICE',
    },
    severity: { critical: 'critical', warning: 'warning', info: 'information' },
    server: 'Server',
    site: 'Site',
    customer: 'Customer',
    impact: 'Impact',
    startedAt: 'Since',
    endedAt: 'Ended',
    acknowledgedBy: 'Taken by',
    incident: 'Incident',
    step: 'Escalation step',
    reason: 'Why you',
    alerts: 'Alerts',
    more: 'more',
    open: 'Open',
    runbook: 'Runbook',
    reference: 'Ref',
    testText: 'This is a test of your contact point. Nothing has to be done.',
    canaryText: 'The daily end-to-end check of alerting. Nothing has to be done.',
    truncated: '[cut here, {count} characters more: open the link]',
  },
  zh: {
    kind: {
      firing: '告警',
      resolved: '已恢复',
      acknowledged: '已确认',
      escalated: '已升级给您',
      test: '测试消息',
      canary: '每日检查',
      notice: '通知',
    },
    short: {
      firing: '告警',
      resolved: '恢复',
      acknowledged: '已确认',
      escalated: '升级',
      test: '测试',
      canary: '检查',
      notice: '通知',
    },
    severity: { critical: '严重', warning: '警告', info: '信息' },
    server: '服务器',
    site: '站点',
    customer: '客户',
    impact: '影响',
    startedAt: '开始时间',
    endedAt: '结束时间',
    acknowledgedBy: '处理人',
    incident: '事件',
    step: '升级步骤',
    reason: '通知您的原因',
    alerts: '告警列表',
    more: '更多',
    open: '打开',
    runbook: '处理手册',
    reference: '编号',
    testText: '这是对您的联系方式的测试,无需处理。',
    canaryText: '每日端到端告警检查,无需处理。',
    truncated: '[此处截断,还有 {count} 个字符,请打开链接]',
  },
  vi: {
    kind: {
      firing: 'Cảnh báo',
      resolved: 'Đã khôi phục',
      acknowledged: 'Đã tiếp nhận',
      escalated: 'Đã chuyển cấp đến bạn',
      test: 'Tin nhắn thử',
      canary: 'Kiểm tra hằng ngày',
      notice: 'Thông báo',
    },
    short: {
      firing: 'CANH BAO',
      resolved: 'DA XONG',
      acknowledged: 'DA NHAN',
      escalated: 'CHUYEN CAP',
      test: 'TIN THU',
      canary: 'KIEM TRA',
      notice: 'THONG BAO',
    },
    severity: { critical: 'nghiêm trọng', warning: 'cảnh báo', info: 'thông tin' },
    server: 'Máy chủ',
    site: 'Địa điểm',
    customer: 'Khách hàng',
    impact: 'Ảnh hưởng',
    startedAt: 'Từ lúc',
    endedAt: 'Kết thúc',
    acknowledgedBy: 'Người tiếp nhận',
    incident: 'Sự cố',
    step: 'Bước chuyển cấp',
    reason: 'Vì sao báo cho bạn',
    alerts: 'Các cảnh báo',
    more: 'nữa',
    open: 'Mở',
    runbook: 'Hướng dẫn xử lý',
    reference: 'Mã',
    testText: 'Đây là tin thử của kênh liên hệ. Bạn không cần làm gì.',
    canaryText: 'Kiểm tra toàn tuyến cảnh báo hằng ngày. Bạn không cần làm gì.',
    truncated: '[bị cắt tại đây, còn {count} ký tự: hãy mở liên kết]',
  },
  ru: {
    kind: {
      firing: 'Оповещение',
      resolved: 'Восстановлено',
      acknowledged: 'Принято в работу',
      escalated: 'Передано вам',
      test: 'Проверочное сообщение',
      canary: 'Ежедневная проверка',
      notice: 'Уведомление',
    },
    short: {
      firing: 'ТРЕВОГА',
      resolved: 'НОРМА',
      acknowledged: 'ПРИНЯТО',
      escalated: 'ПЕРЕДАНО',
      test: 'ПРОВЕРКА',
      canary: 'ПРОВЕРКА',
      notice: 'УВЕДОМЛЕНИЕ',
    },
    severity: { critical: 'критично', warning: 'предупреждение', info: 'информация' },
    server: 'Сервер',
    site: 'Площадка',
    customer: 'Клиент',
    impact: 'Последствия',
    startedAt: 'С',
    endedAt: 'Окончание',
    acknowledgedBy: 'В работе у',
    incident: 'Инцидент',
    step: 'Шаг эскалации',
    reason: 'Почему вам',
    alerts: 'Оповещения',
    more: 'ещё',
    open: 'Открыть',
    runbook: 'Инструкция',
    reference: 'Код',
    testText: 'Это проверка вашего канала связи. Делать ничего не нужно.',
    canaryText: 'Ежедневная сквозная проверка оповещений. Делать ничего не нужно.',
    truncated: '[обрезано, ещё {count} знаков: откройте ссылку]',
  },
}
