// One room, or what is said with one person: what was said there, each message
// once and in order, and who is there. It knows nothing of how that looks.

import {dateOf} from './text.js'

const most = 2000 // entries that are kept; when there are more, the oldest go, to come again by scrolling
const fewer = 1500

/** before orders two positions. */
export const before = (a, b) => a.epoch < b.epoch || a.epoch === b.epoch && a.seq < b.seq

const wasSaid = e => e.type === 'message' && e.seq !== undefined

const key = m => `${m.epoch}:${m.seq}`

/**
 * Entries are, by their type,
 *   message   something that was said, or is being said: then it has a state and no seq
 *   note      for people to read
 *   presence  who came and went, one after the other
 *   gap       what is missing
 *   mark      from here on all is new
 */
export class Conversation {
  joined = false
  topic = ''
  locked = false
  people = new Map() // by name
  more = 0 // people that are not listed
  listening = 0
  entries = []
  unread = 0
  named = 0 // unread ones with one's own name in it
  older = true // there may be something before the first entry
  loading = false
  position = null // up to which it was seen, without a gap
  live = false // what comes now is new

  #known = new Set() // keys of the messages among entries

  constructor(name, isDirect = false) {
    this.name = name
    this.isDirect = isDirect
  }

  /** add takes in a message, unless it is here already, and reports whether it was new. */
  add(message) {
    const entry = {...message, type: 'message', at: dateOf(message.time)}
    const pending = message.id ? this.pending(message.id) : null
    if (message.seq !== undefined) {
      this.reach(message)
      if (this.#known.has(key(message)) || this.#wasLost(message)) {
        if (pending) this.remove(pending)
        return null
      }
      this.#known.add(key(message))
    }
    if (pending) this.remove(pending)
    this.entries.splice(this.#place(message), 0, entry)
    this.#trim()
    return entry
  }

  /** insert takes in a page of earlier messages, before the entry next or in their places. */
  insert(messages, next = null) {
    let fresh = 0
    const first = this.oldest === undefined
    for (const message of messages) {
      if (this.#known.has(key(message)) || this.#wasLost(message)) continue
      this.#known.add(key(message))
      const at = next ? this.entries.indexOf(next) : first ? fresh : this.#place(message)
      this.entries.splice(at, 0, {...message, type: 'message', at: dateOf(message.time)})
      fresh++
    }
    return fresh
  }

  /**
   * wasLost tells whether a message is here from before the server broke down, which had
   * not kept it: its author's program has said it again under the same id.
   */
  #wasLost({id, epoch, from, text}) {
    return Boolean(id) && this.entries.some(e => e.epoch < epoch && e.id === id && e.from === from && e.text === text)
  }

  /** shows tells whether something with an id was said, as far as is here. */
  shows(id) {
    return this.entries.some(e => wasSaid(e) && e.id === id)
  }

  /** place is where a message belongs: behind all, unless later ones are here already. */
  #place(message) {
    let at = this.entries.findLastIndex(e => e.state === undefined) + 1
    if (message.seq === undefined) return at
    for (let i = at - 1; i >= 0; i--) {
      if (!wasSaid(this.entries[i])) continue
      if (before(this.entries[i], message)) break
      at = i
    }
    return at
  }

  /** say adds what is about to be said. */
  say(entry) {
    const pending = {type: 'message', at: new Date(), state: 'waiting', ...entry}
    this.entries.push(pending)
    return pending
  }

  pending(id) {
    return this.entries.findLast(e => e.state !== undefined && e.id === id)
  }

  remove(entry) {
    const at = this.entries.indexOf(entry)
    if (at >= 0) this.entries.splice(at, 1)
  }

  /** note adds something for people to read, behind all that was said. */
  note(text, more = {}) {
    const at = this.entries.findLastIndex(e => e.state === undefined) + 1
    const entry = {type: 'note', at: new Date(), text, ...more}
    this.entries.splice(at, 0, entry)
    return entry
  }

  /** reach notes that everything up to a position was seen. */
  reach({epoch, seq}) {
    if (!this.position || before(this.position, {epoch, seq})) this.position = {epoch, seq}
  }

  /** oldest is the number of the first message that is here. */
  get oldest() {
    return this.entries.find(wasSaid)?.seq
  }

  /** mark puts a line before the first of what has not been read. */
  mark(entry) {
    if (this.entries.some(e => e.type === 'mark')) return
    this.entries.splice(this.entries.indexOf(entry), 0, {type: 'mark', at: entry.at})
  }

  unmark() {
    this.entries = this.entries.filter(e => e.type !== 'mark')
  }

  /** held says that the oldest entries are being looked at and have to stay. */
  held = false

  #trim() {
    if (this.held || this.entries.length <= most) return
    for (const e of this.entries.splice(0, this.entries.length - fewer)) {
      if (wasSaid(e)) this.#known.delete(key(e))
    }
    this.older = true
  }

  /** census takes in who is there. */
  census({people, more = 0, listening = 0}) {
    this.people = new Map(people.map(p => [p.name, p]))
    this.more = more
    this.listening = listening
  }

  /** presence takes in that somebody came, went or has another name. */
  presence({event, name, now, text}) {
    switch (event) {
    case 'joined':
      // Whoever is heard for the first time has listened until then.
      if (!this.people.has(name)) this.listening = Math.max(0, this.listening - 1)
      this.people.set(name, {name})
      break
    case 'left':
      this.people.delete(name)
      break
    case 'renamed':
      this.people.delete(name)
      this.people.set(now, {name: now})
    }
    const last = this.entries.findLast(e => e.state === undefined)
    if (last?.type === 'presence') last.texts.push(text)
    else this.note('', {type: 'presence', texts: [text]})
  }
}
