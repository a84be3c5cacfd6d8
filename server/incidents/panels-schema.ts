import Type from 'typebox'

const Minutes = (usual: number) => Type.Integer({ minimum: 0, maximum: 10_080, default: usual })
const Value = Type.String({ minLength: 1, maxLength: 200 })

/** Which panel, and how much time around the incident. */
export const PanelBody = Type.Object(
  {
    board: Type.String({ minLength: 1, maxLength: 64, description: 'Its name in addresses.' }),
    panel: Type.Integer({ minimum: 1, maximum: 1_000_000 }),
    beforeMinutes: Minutes(60),
    afterMinutes: Minutes(30),
    choices: Type.Record(
      Type.String({ pattern: '^\\w{1,40}$' }),
      Type.Array(Value, { minItems: 1, maxItems: 50 }),
      {
        default: {},
        maxProperties: 10,
        description:
          "Values by the board's variables; `server` is those of the incident where it is left out.",
      },
    ),
  },
  { additionalProperties: false },
)

export const PanelView = Type.Object({
  fact: Type.String(),
  file: Type.String({ description: 'Id of the attachment that is the picture.' }),
  data: Type.String({ description: 'Id of the attachment with its figures.' }),
  text: Type.String({ description: 'Board, panel and what was chosen.' }),
  board: Type.String(),
  panel: Type.String(),
  from: Type.String(),
  to: Type.String(),
  sha256: Type.Union([Type.String(), Type.Null()], {
    description: 'Of the picture; null once it was erased.',
  }),
  addedAt: Type.String(),
  addedBy: Type.String(),
})

export const PanelAnswer = Type.Object({
  panel: PanelView,
  series: Type.Integer({ description: 'Series with figures in that time; 0: it shows none.' }),
})
export const PanelList = Type.Object({ panels: Type.Array(PanelView) })
