import type { CheckId } from './report.ts'

export type Language = 'en' | 'zh' | 'vi' | 'ru'

/** The fixed texts of the report and of the page; what names an entry or a row stays as it is. */
export interface Words {
  readonly language: string
  readonly title: string
  readonly intro: string
  readonly offline: string
  readonly bundle: string
  readonly drop: string
  readonly key: string
  readonly keyHint: string
  readonly older: string
  readonly witness: string
  readonly verify: string
  readonly working: string
  readonly cannotRead: string
  readonly badKey: string
  readonly badNote: string
  readonly noFile: string
  readonly log: string
  readonly asked: string
  readonly made: string
  readonly checkpoint: string
  readonly limits: string
  readonly marks: Readonly<Record<'passed' | 'failed' | 'not checked', string>>
  readonly verdict: Readonly<Record<'verified' | 'incomplete' | 'failed', string>>
  readonly checks: Readonly<Record<CheckId, string>>
  more(count: number): string
  counts(passed: number, failed: number, unchecked: number): string
}

const en: Words = {
  language: 'English',
  title: 'Callward evidence verifier',
  intro:
    'Checks an evidence bundle on this device. Bring the hub’s key and a checkpoint that were kept elsewhere.',
  offline: 'This page is one file. It loads nothing and sends nothing.',
  bundle: 'Evidence bundle (.zip)',
  drop: 'Choose the bundle, or drop it here',
  key: 'The hub’s key',
  keyHint:
    'As it was written down when the hub was set up. Without it the signature is not checked.',
  older: 'Older checkpoint (file)',
  witness: 'Keys of witnesses, one a line',
  verify: 'Verify',
  working: 'Checking…',
  cannotRead: 'This file cannot be read as a bundle.',
  badKey: 'This is no key:',
  badNote: 'This file is no checkpoint.',
  noFile: 'Choose a bundle first.',
  log: 'Log',
  asked: 'Bundle',
  made: 'made',
  checkpoint: 'Checkpoint (entries, root)',
  limits:
    'Proven is that nothing was changed or left out since it was recorded, not that it was true when it was recorded.',
  marks: { passed: 'passed', failed: 'FAILED', 'not checked': 'not checked' },
  verdict: {
    verified: 'VERIFIED: nothing that was checked is wrong.',
    incomplete: 'NOT VERIFIED: without a checked signature anybody could have made this bundle.',
    failed: 'NOT VERIFIED: see the lines marked with !',
  },
  checks: {
    form: '1 Form and leaf of each entry',
    inclusion: '2 Entries are in the signed tree',
    consistency: '3 The log grew out of the older checkpoint',
    signatures: '4 Signatures and witnesses',
    order: '5 Numbers and times',
    states: '6 Allowed changes of state',
    rows: '6 What is shown is what was recorded',
    deadlines: '7 Deadlines',
    paging: '8 Alerts were paged and taken',
    notices: '9 Notices',
    digests: '10 Texts named by their hash',
    reads: '11 Beginning of the log, and readings',
  },
  more: (count) => `and ${count} more`,
  counts: (passed, failed, unchecked) =>
    `${passed} passed, ${failed} failed, ${unchecked} not checked.`,
}

const zh: Words = {
  language: '中文',
  title: 'Callward 证据验证器',
  intro: '在本设备上检查证据包。请准备另行保存的中心公钥和检查点。',
  offline: '本页只有一个文件，不加载也不发送任何内容。',
  bundle: '证据包（.zip）',
  drop: '选择证据包，或拖放到此处',
  key: '中心的公钥',
  keyHint: '安装中心时记录的公钥。没有它就不检查签名。',
  older: '较早的检查点（文件）',
  witness: '见证人的公钥，每行一个',
  verify: '验证',
  working: '正在检查……',
  cannotRead: '无法把此文件读作证据包。',
  badKey: '这不是公钥：',
  badNote: '此文件不是检查点。',
  noFile: '请先选择证据包。',
  log: '日志',
  asked: '证据包',
  made: '制作于',
  checkpoint: '检查点（条目数、根）',
  limits: '可证明的是记录之后没有被更改或遗漏，而不是记录时内容属实。',
  marks: { passed: '通过', failed: '失败', 'not checked': '未检查' },
  verdict: {
    verified: '已验证：检查过的内容没有问题。',
    incomplete: '未通过验证：未检查签名，任何人都可能制作此证据包。',
    failed: '未通过验证：见标有 ! 的行。',
  },
  checks: {
    form: '1 每个条目的格式与叶哈希',
    inclusion: '2 条目在已签名的树中',
    consistency: '3 日志由较早的检查点延续而来',
    signatures: '4 签名与见证人',
    order: '5 编号与时间',
    states: '6 状态变化合规',
    rows: '6 所显示的与所记录的一致',
    deadlines: '7 期限',
    paging: '8 告警已通知并有人受理',
    notices: '9 通知',
    digests: '10 以哈希标识的文本',
    reads: '11 日志的开始与读取记录',
  },
  more: (count) => `另有 ${count} 项`,
  counts: (passed, failed, unchecked) =>
    `通过 ${passed} 项，失败 ${failed} 项，未检查 ${unchecked} 项。`,
}

const vi: Words = {
  language: 'Tiếng Việt',
  title: 'Trình kiểm chứng bằng chứng Callward',
  intro:
    'Kiểm tra gói bằng chứng ngay trên thiết bị này. Hãy dùng khóa của máy chủ và điểm kiểm tra đã được giữ ở nơi khác.',
  offline: 'Trang này là một tệp duy nhất, không tải và không gửi gì.',
  bundle: 'Gói bằng chứng (.zip)',
  drop: 'Chọn gói, hoặc thả vào đây',
  key: 'Khóa của máy chủ',
  keyHint: 'Khóa đã được ghi lại khi cài đặt. Không có khóa thì chữ ký không được kiểm tra.',
  older: 'Điểm kiểm tra cũ hơn (tệp)',
  witness: 'Khóa của các nhân chứng, mỗi dòng một khóa',
  verify: 'Kiểm chứng',
  working: 'Đang kiểm tra…',
  cannotRead: 'Không đọc được tệp này như một gói bằng chứng.',
  badKey: 'Đây không phải là khóa:',
  badNote: 'Tệp này không phải là điểm kiểm tra.',
  noFile: 'Hãy chọn gói trước.',
  log: 'Nhật ký',
  asked: 'Gói',
  made: 'tạo lúc',
  checkpoint: 'Điểm kiểm tra (số mục, gốc)',
  limits:
    'Điều được chứng minh là không có gì bị sửa hay bỏ sót sau khi ghi, không phải nội dung đúng lúc ghi.',
  marks: { passed: 'đạt', failed: 'KHÔNG ĐẠT', 'not checked': 'chưa kiểm tra' },
  verdict: {
    verified: 'ĐÃ KIỂM CHỨNG: những gì đã kiểm tra đều đúng.',
    incomplete: 'KHÔNG ĐƯỢC KIỂM CHỨNG: chữ ký chưa được kiểm tra, ai cũng có thể tạo gói này.',
    failed: 'KHÔNG ĐƯỢC KIỂM CHỨNG: xem các dòng có dấu !',
  },
  checks: {
    form: '1 Dạng và lá của từng mục',
    inclusion: '2 Các mục nằm trong cây đã ký',
    consistency: '3 Nhật ký tiếp nối điểm kiểm tra cũ',
    signatures: '4 Chữ ký và nhân chứng',
    order: '5 Số thứ tự và thời gian',
    states: '6 Chuyển trạng thái hợp lệ',
    rows: '6 Nội dung hiển thị đúng với bản ghi',
    deadlines: '7 Thời hạn',
    paging: '8 Cảnh báo đã được báo và có người nhận',
    notices: '9 Thông báo',
    digests: '10 Văn bản được gọi theo mã băm',
    reads: '11 Mở đầu nhật ký và các lần đọc',
  },
  more: (count) => `và ${count} mục nữa`,
  counts: (passed, failed, unchecked) =>
    `${passed} đạt, ${failed} không đạt, ${unchecked} chưa kiểm tra.`,
}

const ru: Words = {
  language: 'Русский',
  title: 'Проверка доказательств Callward',
  intro:
    'Проверяет пакет доказательств на этом устройстве. Нужны ключ сервера и контрольная точка, сохранённые в другом месте.',
  offline: 'Эта страница — один файл. Она ничего не загружает и не отправляет.',
  bundle: 'Пакет доказательств (.zip)',
  drop: 'Выберите пакет или перетащите его сюда',
  key: 'Ключ сервера',
  keyHint: 'Как он был записан при установке. Без него подпись не проверяется.',
  older: 'Более ранняя контрольная точка (файл)',
  witness: 'Ключи свидетелей, по одному в строке',
  verify: 'Проверить',
  working: 'Проверяется…',
  cannotRead: 'Этот файл не читается как пакет доказательств.',
  badKey: 'Это не ключ:',
  badNote: 'Этот файл не контрольная точка.',
  noFile: 'Сначала выберите пакет.',
  log: 'Журнал',
  asked: 'Пакет',
  made: 'создан',
  checkpoint: 'Контрольная точка (записей, корень)',
  limits:
    'Доказано, что после записи ничего не изменено и не пропущено, но не то, что записанное было верным.',
  marks: { passed: 'верно', failed: 'НЕВЕРНО', 'not checked': 'не проверено' },
  verdict: {
    verified: 'ПОДТВЕРЖДЕНО: в проверенном ошибок нет.',
    incomplete: 'НЕ ПОДТВЕРЖДЕНО: подпись не проверена, такой пакет мог сделать кто угодно.',
    failed: 'НЕ ПОДТВЕРЖДЕНО: см. строки со знаком !',
  },
  checks: {
    form: '1 Форма и лист каждой записи',
    inclusion: '2 Записи входят в подписанное дерево',
    consistency: '3 Журнал продолжает раннюю контрольную точку',
    signatures: '4 Подписи и свидетели',
    order: '5 Номера и время',
    states: '6 Допустимые смены состояния',
    rows: '6 Показанное соответствует записанному',
    deadlines: '7 Сроки',
    paging: '8 О тревогах сообщено, и их приняли',
    notices: '9 Уведомления',
    digests: '10 Тексты, названные по хешу',
    reads: '11 Начало журнала и его чтение',
  },
  more: (count) => `и ещё ${count}`,
  counts: (passed, failed, unchecked) =>
    `Верно: ${passed}, неверно: ${failed}, не проверено: ${unchecked}.`,
}

export const words: Readonly<Record<Language, Words>> = { en, zh, vi, ru }
