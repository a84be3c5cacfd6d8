import Type from 'typebox'

const pathSchema = Type.String({
  pattern: '^(/(?!\\.\\.?(/|$))[^/\\p{Cc}]+)+$',
  maxLength: 512,
  description: 'an absolute path without . and .., up to 512 characters; * and ? are wildcards',
  examples: ['/etc/asterisk/*.conf'],
})

const pathsSchema = (description: string) =>
  Type.Optional(
    Type.Array(pathSchema, { maxItems: 200, description, examples: ['[/etc/asterisk/*.conf]'] }),
  )

/** Key `software` of the collector's YAML file. */
export const softwareSchema = Type.Object(
  {
    everyMinutes: Type.Optional(
      Type.Number({
        minimum: 0.05,
        maximum: 1440,
        description: 'minutes from 0.05 to 1440',
        examples: [60],
      }),
    ),
    packageNames: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 100 }), {
        maxItems: 200,
        description: 'up to 200 package names; * and ? are wildcards',
        examples: ['["asterisk*", "linux-image-*"]'],
      }),
    ),
    files: pathsSchema('up to 200 paths of configuration files'),
    certificates: pathsSchema('up to 200 paths of certificates'),
    mayLinkTo: pathsSchema('up to 200 paths that listed links may lead to'),
    tlsEndpoints: Type.Optional(
      Type.Array(
        Type.String({
          pattern: '^(localhost|[0-9.]{7,15}|\\[[0-9a-fA-F:.]{2,45}\\]):[0-9]{1,5}$',
          description: 'an address of this host and a port',
          examples: ['127.0.0.1:5061'],
        }),
        { maxItems: 20, description: 'up to 20 addresses', examples: ['["127.0.0.1:5061"]'] },
      ),
    ),
    licences: Type.Optional(
      Type.Array(
        Type.Object(
          {
            path: pathSchema,
            expires: Type.Optional(
              Type.String({
                minLength: 1,
                maxLength: 500,
                description: 'a regular expression whose first group is the date of expiry',
                examples: ["'expires: (\\S+)'"],
              }),
            ),
          },
          {
            additionalProperties: false,
            description: 'a path and, to know its end, an expression',
            examples: ["{path: /etc/vendor/licence, expires: 'expires: (\\S+)'}"],
          },
        ),
        {
          maxItems: 50,
          description: 'up to 50 licence files',
          examples: ["[{path: /etc/vendor/licence, expires: 'expires: (\\S+)'}]"],
        },
      ),
    ),
  },
  {
    additionalProperties: false,
    description: 'which software to look at',
    examples: ['{files: [/etc/asterisk/*.conf]}'],
  },
)

export type SoftwareSettings = Type.Static<typeof softwareSchema>

export const defaultMinutes = 60

const inFolders = (folders: readonly string[], endings: readonly string[]) =>
  folders.flatMap((folder) => endings.map((ending) => `${folder}/*.${ending}`))

/** Where call systems keep their certificates, unless `software.certificates` says otherwise. */
export const usualCertificates: readonly string[] = [
  ...inFolders(
    [
      '/etc/asterisk/keys',
      '/etc/kamailio/tls',
      '/etc/opensips/tls',
      '/etc/freeswitch/tls',
      '/etc/ssl/callward',
      '/etc/nginx/ssl',
      '/etc/haproxy/certs',
    ],
    ['pem', 'crt'],
  ),
  '/etc/letsencrypt/live/*/fullchain.pem',
]

/** Where links of the usual places lead. */
export const usualTargets: readonly string[] = ['/etc/letsencrypt/archive/*/*']
