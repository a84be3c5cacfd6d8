/** Style sheets: the bundler reads them. */
declare module '*.css'
