import type { clockTextsEn } from './clock-texts-en.ts'

export const clockTextsVi: Readonly<Record<keyof typeof clockTextsEn, string>> = {
  'clockText.response': 'Phản hồi',
  'clockText.restore': 'Khôi phục',
  'clockText.firstUpdate': 'Báo khách hàng lần đầu',
  'clockText.update': 'Cập nhật tình hình',
  'clockText.review': 'Họp rút kinh nghiệm',
  'clockText.sla': 'Phản hồi, khôi phục và cập nhật theo mức độ',
  'clockText.slaCaution':
    'Đây là giá trị mặc định, không phải luật hay hợp đồng của bạn: nhịp cập nhật và hạn họp theo thông lệ đã công bố, hạn phản hồi và khôi phục do phần mềm đặt. Hãy thay bằng số trong thỏa thuận của bạn.',
  'clockText.dora': 'DORA của EU: báo cáo sự cố CNTT lớn',
  'clockText.doraCaution':
    'Dựa trên văn bản Công báo EU do nơi khác chép lại, chưa đối chiếu trên eur-lex.europa.eu. Pháp chế phải xác nhận từng thời hạn trước khi dùng; luật quốc gia và yêu cầu của cơ quan quản lý áp dụng thêm.',
  'clockText.doraInitial': 'Thông báo ban đầu',
  'clockText.doraIntermediate': 'Báo cáo giữa kỳ',
  'clockText.doraUpdated': 'Báo cáo giữa kỳ cập nhật khi hoạt động đã khôi phục',
  'clockText.doraFinal': 'Báo cáo cuối cùng',
  'clockText.doraReclassified': 'Báo cơ quan quản lý: sự cố được xếp lại là không lớn',
  'clockText.doraClients': 'Báo khách hàng bị ảnh hưởng quyền lợi tài chính',
  'clockText.pauseCustomer': 'chờ khách hàng',
  'clockText.pauseAccess': 'không được vào',
  'clockText.pauseWindow': 'khung bảo trì đã thống nhất',
  'clockText.pauseForce': 'bất khả kháng',
}
