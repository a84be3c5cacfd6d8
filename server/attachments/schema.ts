import Type from 'typebox'

const OrNull = (schema: ReturnType<typeof Type.String>) => Type.Union([schema, Type.Null()])

export const AttachmentView = Type.Object({
  id: Type.String(),
  name: Type.String(),
  mediaType: Type.String(),
  bytes: Type.Integer(),
  sha256: OrNull(Type.String({ description: 'Lower-case hexadecimal; null once it was erased.' })),
  addedAt: Type.String(),
  addedBy: Type.String(),
  erasedAt: OrNull(Type.String()),
})
export const AttachmentDetail = Type.Object({ attachment: AttachmentView })
export const AttachmentList = Type.Object({ attachments: Type.Array(AttachmentView) })
export const IncidentParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) })
export const AttachmentParams = Type.Object({
  id: Type.String({ minLength: 1, maxLength: 64 }),
  attachment: Type.String({ minLength: 1, maxLength: 64 }),
})
export const UploadQuery = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 1000, description: 'The name of the file.' }),
    sha256: Type.Optional(
      Type.String({
        pattern: '^[0-9a-f]{64}$',
        description: 'What the sender read; another content is refused.',
      }),
    ),
  },
  { additionalProperties: false },
)
export const ContentQuery = Type.Object(
  {
    inline: Type.Boolean({
      default: false,
      description: 'Shown in the browser; for PNG, JPEG, GIF and WebP only.',
    }),
  },
  { additionalProperties: false },
)
