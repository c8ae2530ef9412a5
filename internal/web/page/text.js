// What people wrote, as it may be shown. Everything is put into the page as text:
// nothing here or elsewhere makes markup of it.

// shownByNumber are characters that are invisible, or would turn around what follows.
const shownByNumber = /[\u0080-\u009f\u2028\u2029\ufeff\ufff9-\ufffb]/gu
const control = /[\u0000-\u0008\u000b-\u001f\u007f]/gu
const bidi = /[\u202a-\u202e\u2066-\u2069]/gu

const byNumber = c => `<U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}>`

/** visible returns a text with its control characters shown instead of done. */
export function visible(text) {
  return text
    .replace(/\r\n?/g, '\n')
    .replace(control, c => c === '\u007f' ? '\u2421' : String.fromCodePoint(0x2400 + c.codePointAt(0)))
    .replace(shownByNumber, byNumber)
}

/** label is visible for names, rooms and topics, which are one line and turn nothing around. */
export function label(text) {
  return visible(text).replace(/[\n\t]/g, ' ').replace(bidi, byNumber)
}

// A link ends before whatever cannot be seen or could turn it around.
const address = /\bhttps?:\/\/[^\s<>"`\u0000-\u0020\u007f-\u00a0\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff]+/giu

/** fill puts a text into an element, with links for the addresses in it. */
export function fill(element, text) {
  element.replaceChildren()
  const shown = visible(text)
  let from = 0
  for (const match of shown.matchAll(address)) {
    const words = trimmed(match[0])
    const link = linkTo(words)
    if (!link) continue
    element.append(shown.slice(from, match.index), link)
    from = match.index + words.length
  }
  element.append(shown.slice(from))
}

/** trimmed leaves out what ends a sentence, and a bracket that the address did not begin. */
function trimmed(words) {
  for (;;) {
    const last = words.at(-1)
    const open = {')': '(', ']': '[', '}': '{'}[last]
    if (open ? count(words, open) >= count(words, last) : !'.,;:!?\'*_~…'.includes(last)) return words
    words = words.slice(0, -1)
  }
}

const count = (text, c) => text.split(c).length - 1

/** linkTo returns a link, or null if the address is none that is safe to follow. */
function linkTo(words) {
  let url
  try {
    url = new URL(words)
  } catch {
    return null
  }
  // With a user name in front, an address can look like that of another site.
  if (!['http:', 'https:'].includes(url.protocol) || url.username || url.password) return null
  const link = document.createElement('a')
  link.href = url.href
  link.rel = 'noopener noreferrer nofollow'
  link.referrerPolicy = 'no-referrer'
  link.target = '_blank'
  link.title = url.href
  link.textContent = words
  return link
}

/** hue is the colour of a name, the same everywhere and for ever. */
export function hue(name) {
  let hash = 2166136261 // FNV-1a
  for (const c of name.normalize('NFKC').toLowerCase()) {
    hash = Math.imul(hash ^ c.codePointAt(0), 16777619)
  }
  // What is alike comes far apart (the last steps of MurmurHash3).
  hash = Math.imul(hash ^ hash >>> 16, 0x85ebca6b)
  hash = Math.imul(hash ^ hash >>> 13, 0xc2b2ae35)
  hash = (hash ^ hash >>> 16) >>> 0
  // 24 of them: more could not be told apart.
  return hash % 24 * 15
}

/** initial is what stands in the circle beside a name. */
export function initial(name) {
  return [...new Intl.Segmenter().segment(label(name))][0]?.segment.toUpperCase() ?? '?'
}

/** says tells whether a text has a name in it as a word. */
export function says(text, name) {
  if (!name) return false
  const word = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`(?<![\\p{L}\\p{N}_-])${word}(?![\\p{L}\\p{N}_-])`, 'iu').test(text)
}

const clock = new Intl.DateTimeFormat(undefined, {hour: '2-digit', minute: '2-digit', hourCycle: 'h23'})
const calendar = new Intl.DateTimeFormat(undefined, {weekday: 'long', day: 'numeric', month: 'long', year: 'numeric'})
const full = new Intl.DateTimeFormat(undefined, {dateStyle: 'medium', timeStyle: 'medium'})
const short = new Intl.DateTimeFormat(undefined, {dateStyle: 'medium', timeStyle: 'short'})

export const timeOfDay = date => clock.format(date)
export const wholeTime = date => full.format(date)
export const shortTime = date => short.format(date)

/** dateOf is a time of the server's, or now if it is none. */
export function dateOf(time) {
  const date = new Date(time)
  return Number.isNaN(date.getTime()) ? new Date() : date
}

/** dayOf names the day of a date, as people call it. */
export function dayOf(date) {
  const days = Math.round((midnight(new Date()) - midnight(date)) / 86400000)
  return days === 0 ? 'Today' : days === 1 ? 'Yesterday' : calendar.format(date)
}

export const midnight = date => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime()
