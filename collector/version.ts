/** Version of the collector; a test keeps it equal to package.json, which a bundle does not carry. */
export const version = '0.1.0'
