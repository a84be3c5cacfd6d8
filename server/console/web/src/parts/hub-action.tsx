import type { ComponentProps } from 'preact'
import { ApiError } from '../api.ts'
import { ActionButton } from './action-button.tsx'

/** An action whose refusal is told in the hub's own words: of accounts and approvals they say what to do next. */
export function HubAction({ act, ...rest }: ComponentProps<typeof ActionButton>) {
  const said = async () => {
    try {
      await act()
    } catch (error) {
      if (!(error instanceof ApiError) || (error.status !== 403 && error.status !== 409))
        throw error
      throw new ApiError(422, error.code, error.message)
    }
  }
  return <ActionButton {...rest} act={said} />
}
