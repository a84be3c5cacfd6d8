import type { clockTextsEn } from './clock-texts-en.ts'

export const clockTextsZh: Readonly<Record<keyof typeof clockTextsEn, string>> = {
  'clockText.response': '响应',
  'clockText.restore': '恢复',
  'clockText.firstUpdate': '首次告知客户',
  'clockText.update': '进展通报',
  'clockText.review': '复盘会',
  'clockText.sla': '按级别的响应、恢复和通报时限',
  'clockText.slaCaution':
    '这是默认值，既非法规也非贵方合同：通报频率和复盘时限取自公开的事件管理惯例，响应和恢复时限由本软件设定。请改成贵方协议中的数值。',
  'clockText.dora': '欧盟 DORA：重大 ICT 事件报告',
  'clockText.doraCaution':
    '依据的是他人转载的欧盟官方公报文本，未在 eur-lex.europa.eu 上核对。使用前须由法务逐条确认；本国法律和主管机关的要求另行适用。',
  'clockText.doraInitial': '初次通知',
  'clockText.doraIntermediate': '中期报告',
  'clockText.doraUpdated': '业务恢复后的更新中期报告',
  'clockText.doraFinal': '最终报告',
  'clockText.doraReclassified': '通知主管机关：事件改判为非重大',
  'clockText.doraClients': '告知资金利益受影响的客户',
  'clockText.pauseCustomer': '等待客户',
  'clockText.pauseAccess': '无法进场',
  'clockText.pauseWindow': '约定的维护窗口',
  'clockText.pauseForce': '不可抗力',
}
