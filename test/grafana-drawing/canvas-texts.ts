/** Begins a page: every canvas keeps the texts of its last drawing, such as the marks of its axes, as `written`. */
export const noteCanvasTexts = `{
  const { clearRect, fillText } = CanvasRenderingContext2D.prototype
  CanvasRenderingContext2D.prototype.clearRect = function (...place) {
    this.canvas.written = []
    return clearRect.apply(this, place)
  }
  CanvasRenderingContext2D.prototype.fillText = function (text, ...place) {
    this.canvas.written = [...(this.canvas.written ?? []), text]
    return fillText.call(this, text, ...place)
  }
}`
