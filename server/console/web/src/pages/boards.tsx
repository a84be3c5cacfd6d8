import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { get } from '../api.ts'
import { t } from '../i18n/language.ts'
import { Problem } from '../parts/action-button.tsx'
import { PageTitle } from '../parts/page-title.tsx'

interface ListedBoard {
  readonly board: string
  readonly title: string
  readonly description: string
}

/** Every board, with the question it answers. */
export function Boards() {
  const list = useSignal<readonly ListedBoard[] | null>(null)
  const error = useSignal<unknown>(null)
  useEffect(() => {
    get<{ boards: ListedBoard[] }>('/api/v1/boards')
      .then(({ boards }) => {
        list.value = boards
      })
      .catch((problem: unknown) => {
        error.value = problem
      })
  }, [])
  return (
    <>
      <div class="page-head">
        <PageTitle>{t('boards.title')}</PageTitle>
      </div>
      <p class="note muted">{t('boards.intro')}</p>
      {error.value !== null && <Problem error={error.value} />}
      {list.value === null && error.value === null && <p class="empty">{t('loading')}</p>}
      {list.value?.length === 0 && <p class="empty">{t('boards.none')}</p>}
      <ul class="board-list">
        {list.value?.map(({ board, title, description }) => (
          <li key={board} class="card">
            <h2>
              <a href={`/boards/${board}`}>{shortTitle(title)}</a>
            </h2>
            <p class="muted">{description}</p>
          </li>
        ))}
      </ul>
    </>
  )
}

/** Without the product's name, which the page already bears. */
export function shortTitle(title: string): string {
  return title.replace(/^Callward \/ /, '')
}
