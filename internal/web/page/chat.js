// The chat as this page knows it: who one is, the conversations, what is still to be
// sent. It knows the protocol, and nothing of how anything looks.

import {Connection} from './connection.js'
import {Conversation, before} from './conversation.js'
import {browser, secret, tab} from './memory.js'
import {says} from './text.js'

const firstHistory = 60 // messages of before in a room that is new to this tab
const pageOfHistory = 100

/**
 * Chat tells its watcher of what happens:
 *   changed(conversation)        something is to be drawn anew; without one, everything
 *   heard(conversation, entry)   somebody said something
 *   sees(conversation)           true if what is said there now is seen at once
 *   wanted(what, text, details)  a person has to answer: 'name', 'password', 'room'
 *   told(text)                   a sentence for the person
 */
export class Chat {
  you = {name: '', registered: false, operator: false}
  server = ''
  keeps = ''
  maxText = 4096
  rooms = new Map() // by name, in the order in which they were joined
  directs = new Map() // by name
  current = null
  connection

  #watcher
  #session
  #name = browser.get('name', '')
  #password = '' // of the name; for this page only
  #serverPassword = tab.get('password', '')
  #roomPasswords = new Map(Object.entries(tab.get('roomPasswords', {})))
  #wishes = new Set(browser.get('rooms', [])) // the rooms to be in
  #seen = new Map(Object.entries(browser.get('seen', {}))) // by room: up to where it was read
  #outbox = tab.get('outbox', []) // what was said and may not be stored: room, id, text, act
  #mine = new Set(this.#outbox.map(o => o.id)) // ids of what was said here
  #stayOut = false // the password is to be asked for first
  #bye = '' // why the server has ended the connection

  constructor(session, watcher) {
    this.#session = session
    this.#watcher = watcher
    this.connection = new Connection({
      hello: () => this.#hello(),
      receive: object => this.#receive(object),
      lost: event => this.#lost(event),
      changed: () => {
        if (this.connection) watcher.changed()
      },
    })
  }

  /** begin connects, to be in room besides those of the last time if it is not ''. */
  begin(room) {
    if (room) this.#wishes.add(room)
    this.#first = room || browser.get('current', '')
    this.connection.begin()
  }

  #first = '' // the room to show as soon as it is there

  // What is asked of the server.

  #hello() {
    const hello = {type: 'hello', version: 1, session: this.#session, history: firstHistory, echo: true}
    if (this.#name) hello.name = this.#name
    if (this.#name && this.#password) hello.password = this.#password
    if (this.#serverPassword) hello.server_password = this.#serverPassword
    if (this.#wishes.size > 0 || this.#leftAll) hello.rooms = [...this.#wishes].map(room => this.#wish(room))
    return hello
  }

  #leftAll = false // the person wants to be nowhere
  #motd = '' // the message of the day, until it is shown
  #motdShown = ''

  #wish(name) {
    const wish = {room: name}
    if (this.#roomPasswords.has(name)) wish.password = this.#roomPasswords.get(name)
    const position = this.rooms.get(name)?.position
    if (position) wish.after = position
    return wish
  }

  /** setName takes a name, with its password if it is registered. It throws why not. */
  async setName(name, password) {
    if (password) {
      await this.connection.ask({type: 'login', name, password})
      this.#password = password
    } else if (name !== this.you.name) {
      await this.connection.ask({type: 'nick', name})
    }
    this.#remember(this.you.name)
  }

  #remember(name) {
    this.#name = name
    browser.set('name', name)
  }

  async register(password) {
    await this.connection.ask({type: 'register', password})
    this.#password = password
    this.#remember(this.you.name)
  }

  /** setServerPassword tries again with the password of the whole chat. */
  setServerPassword(password) {
    this.#serverPassword = password
    tab.set('password', password)
    this.connection.begin()
  }

  async join(name, password) {
    const known = this.room(name)
    if (known?.joined && !password) return this.show(known)
    const wish = {...this.#wish(name), history: firstHistory}
    if (password) wish.password = password
    const joined = await this.connection.ask({type: 'join', ...wish})
    if (password) this.#keepPassword(joined.room, password)
    this.show(this.rooms.get(joined.room))
  }

  #keepPassword(room, password) {
    this.#roomPasswords.set(room, password)
    tab.set('roomPasswords', Object.fromEntries(this.#roomPasswords))
  }

  async leave(room) {
    await this.connection.ask({type: 'leave', room: room.name})
  }

  /** command has a line done as if it was typed in a terminal, and returns what is told. */
  async command(text) {
    const request = {type: 'command', text}
    if (this.current && !this.current.isDirect) request.room = this.current.name
    return (await this.connection.ask(request)).notices
  }

  listRooms() {
    return this.connection.ask({type: 'rooms'})
  }

  search(room, words, olderThan) {
    const request = {type: 'search', room: room.name, words, count: 30}
    if (olderThan !== undefined) request.before = olderThan
    return this.connection.ask(request)
  }

  /** lookAround asks who is in the room that is looked at: of listeners nothing is told. */
  lookAround() {
    const room = this.current
    if (room?.live && !room.isDirect) this.connection.ask({type: 'who', room: room.name}).catch(() => {})
  }

  /** fetchOlder fetches what was said before all that is here, and reports how much. */
  async fetchOlder(room, count = pageOfHistory) {
    if (room.isDirect || room.loading || !room.older || !room.joined) return 0
    room.loading = true
    try {
      const request = {type: 'history', room: room.name, count}
      if (room.oldest !== undefined) request.before = room.oldest
      const page = await this.connection.ask(request)
      room.older = Boolean(page.more) && page.messages.length > 0
      return room.insert(page.messages)
    } catch {
      return 0 // the next scroll asks again
    } finally {
      room.loading = false
      this.#watcher.changed(room)
    }
  }

  /** fill fetches what is missing at a gap, if it is still kept. */
  async fill(room, gap) {
    if (gap.filling) return
    gap.filling = true
    this.#watcher.changed(room)
    try {
      for (let after = gap.first - 1; after < gap.last;) {
        const page = await this.connection.ask({
          type: 'history', room: room.name, after, count: Math.min(500, gap.last - after),
        })
        const missing = page.messages.filter(m => m.seq <= gap.last)
        room.insert(missing, gap)
        after = missing.at(-1)?.seq ?? gap.last
      }
      room.remove(gap)
    } catch (err) {
      gap.error = err.message
    }
    gap.filling = false
    this.#watcher.changed(room)
  }

  // What is said.

  /** say says a text in a conversation. It arrives, once, even if the connection is lost. */
  say(where, text, act = false) {
    if (where.isDirect) return this.#tell(where, text)
    const id = secret()
    const entry = where.say({id, from: this.you.name, text, mine: true, ...act && {kind: 'act'}})
    this.#mine.add(id)
    this.#outbox.push({room: where.name, id, text, act})
    tab.set('outbox', this.#outbox)
    this.#hand(where, entry)
    this.#watcher.changed(where)
  }

  #hand(room, {id, text, kind}) {
    if (!room.joined) return
    this.connection.send({type: 'say', room: room.name, id, text, ...kind === 'act' && {act: true}})
  }

  /** again tries once more to say what could not be said. */
  again(where, entry) {
    if (where.isDirect) {
      where.remove(entry)
      this.#tell(where, entry.text)
    } else {
      entry.state = 'waiting'
      this.#hand(where, entry)
    }
    this.#watcher.changed(where)
  }

  /** forget gives up what could not be said. */
  forget(where, entry) {
    where.remove(entry)
    this.#arrived(entry.id)
    this.#watcher.changed(where)
  }

  async #tell(where, text) {
    const entry = where.say({from: this.you.name, text, mine: true, id: secret()})
    this.#watcher.changed(where)
    try {
      await this.connection.ask({type: 'direct', to: where.name, text})
      where.remove(entry) // it has come as what it is now
    } catch (err) {
      // A lost one is not sent again by itself: nobody counts these.
      Object.assign(entry, {state: 'failed', error: err.code === 'offline' ? 'it may not have arrived' : err.message})
    }
    this.#watcher.changed(where)
  }

  #arrived(id) {
    const had = this.#outbox.length
    this.#outbox = this.#outbox.filter(o => o.id !== id)
    if (this.#outbox.length < had) tab.set('outbox', this.#outbox)
  }

  // Which conversation is looked at.

  show(conversation) {
    if (!conversation || conversation === this.current) return
    this.current?.unmark()
    this.current = conversation
    if (!conversation.isDirect) browser.set('current', conversation.name)
    this.#watcher.changed()
  }

  /** direct returns what is said with one person. */
  direct(name) {
    let one = [...this.directs.values()].find(d => same(d.name, name))
    if (!one) {
      one = new Conversation(name, true)
      one.older = false
      this.directs.set(name, one)
    }
    return one
  }

  room(name) {
    return [...this.rooms.values()].find(r => same(r.name, name))
  }

  /** close takes a conversation with one person off the list. */
  close(direct) {
    this.directs.delete(direct.name)
    if (this.current === direct) this.#showAny()
    this.#watcher.changed()
  }

  /** read says that all there is in a conversation has been seen. */
  read(conversation) {
    if (conversation.unread > 0) {
      conversation.unread = conversation.named = 0
      this.#watcher.changed()
    }
    if (conversation.position && !conversation.isDirect) {
      const {epoch, seq} = conversation.position
      const [e, s] = this.#seen.get(conversation.name) ?? []
      if (e === epoch && s === seq) return
      this.#seen.set(conversation.name, [epoch, seq])
      browser.set('seen', Object.fromEntries(this.#seen))
    }
  }

  /** changedHere has what is looked at drawn anew. */
  changedHere() {
    this.#watcher.changed(this.current)
  }

  get unread() {
    let n = 0
    for (const c of [...this.rooms.values(), ...this.directs.values()]) n += c.unread
    return n
  }

  // What comes.

  #receive(object) {
    const room = object.room === undefined ? null : this.rooms.get(object.room)
    if (Object.hasOwn(this.#handlers, object.type)) this.#handlers[object.type](object, room)
  }

  #handlers = {
    welcome: o => {
      Object.assign(this, {server: o.server, keeps: o.keeps ?? '', maxText: o.max_text ?? 4096})
      this.#motd = o.motd ?? ''
      this.you = {name: o.name, registered: false, operator: Boolean(o.operator)}
      this.connection.welcomed()
    },

    you: o => {
      this.you = {name: o.name, registered: Boolean(o.registered), operator: Boolean(o.operator)}
      this.#watcher.changed()
    },

    joined: o => this.#enter(o),

    live: (o, room) => {
      if (!room) return
      room.reach(o)
      room.live = true
      if (o.people) room.census(o)
      this.#showMOTD(room)
      this.#watcher.changed(room)
    },

    message: (o, room) => {
      if (room) this.#hear(room, o)
    },

    presence: (o, room) => {
      if (!room?.live) return // it is of the past, and live tells who is there
      room.presence(o)
      if (o.event === 'many') this.connection.ask({type: 'who', room: room.name}).catch(() => {})
      if (o.event === 'renamed') this.#renamed(o.name, o.now)
      this.#watcher.changed(room)
    },

    people: (o, room) => {
      room?.census(o)
      this.#watcher.changed(room)
    },

    notice: (o, room) => this.#note(o.text, room),

    gap: (o, room) => {
      room?.note('', {type: 'gap', first: o.first, last: o.last, missing: o.missing, kept: Boolean(o.kept)})
      this.#watcher.changed(room)
    },

    reset: (o, room) => {
      if (room && o.after) room.position = {epoch: o.epoch, seq: o.after.seq}
      this.#note(o.text, room)
    },

    said: (o, room) => this.#receipt(o, room),
    stored: (o, room) => this.#receipt(o, room),

    direct: o => {
      const mine = o.from === this.you.name
      const where = this.direct(mine ? o.to : o.from)
      const entry = where.add({...o, mine, id: undefined})
      where.live = true
      if (!mine) this.#count(where, entry, true)
      this.#watcher.changed(where)
    },

    left: (o, room) => {
      if (!room) return
      this.rooms.delete(room.name)
      room.joined = false
      if (o.text) this.#watcher.told(o.text)
      this.#wishes.delete(room.name)
      this.#leftAll = this.#wishes.size === 0
      browser.set('rooms', [...this.#wishes])
      if (this.current === room) this.#showAny()
      this.#watcher.changed()
    },

    error: (o, room) => this.#failed(o, room),

    bye: o => {
      this.connection.reason = o.text
      this.#bye = o.code ?? ''
    },
  }

  #enter(o) {
    let room = this.rooms.get(o.room)
    if (!room) {
      room = new Conversation(o.room)
      this.rooms.set(o.room, room)
    }
    Object.assign(room, {joined: true, live: false, topic: o.topic ?? '', locked: Boolean(o.locked)})
    room.census(o)
    if (o.after) room.reach(o.after)
    for (const wish of this.#wishes) if (same(wish, o.room)) this.#wishes.delete(wish)
    this.#wishes.add(o.room)
    this.#leftAll = false
    browser.set('rooms', [...this.#wishes])

    for (const out of this.#outbox.filter(out => same(out.room, o.room))) {
      const kind = out.act ? 'act' : undefined
      if (room.shows(out.id)) {
        this.#hand(room, {...out, kind})
        continue
      }
      const entry = room.pending(out.id) ?? room.say({id: out.id, from: this.you.name, text: out.text, mine: true, kind})
      if (entry.state !== 'failed') this.#hand(room, entry)
    }
    if (!this.current || same(this.#first, o.room)) {
      if (this.current && this.#first) this.#first = ''
      this.show(room)
    }
    this.#watcher.changed()
  }

  #showMOTD(room) {
    if (this.#motd && this.#motd !== this.#motdShown) room.note(this.#motd.trim(), {answer: true})
    this.#motdShown = this.#motd || this.#motdShown
    this.#motd = ''
  }

  #showAny() {
    this.current = null
    const next = this.rooms.values().next().value ?? this.directs.values().next().value
    if (next) this.show(next)
  }

  #hear(room, message) {
    const mine = this.#mine.has(message.id) || same(message.from, this.you.name)
    if (message.kind === 'topic') room.topic = message.text
    const entry = room.add({...message, mine})
    if (entry && !mine) this.#count(room, entry, says(message.text, this.you.name))
    if (entry && mine && room.live) this.read(room)
    this.#watcher.changed(room)
  }

  /** count notes that something was said that perhaps nobody has seen yet. */
  #count(where, entry, named) {
    if (!where.isDirect && !where.live && !this.#isNew(where, entry)) return
    entry.named = named
    if (!this.#watcher.sees(where)) {
      where.unread++
      if (named) where.named++
      if (where.unread === 1) where.mark(entry)
    }
    this.#watcher.heard(where, entry)
  }

  /** isNew tells whether an earlier message was said since the room was last read. */
  #isNew(room, entry) {
    const [epoch, seq] = this.#seen.get(room.name) ?? []
    return epoch !== undefined && before({epoch, seq}, entry)
  }

  #receipt({type, id, repeated}, room) {
    // What is not stored yet may be lost with the server, and then is said again.
    if (type === 'stored') this.#arrived(id)
    const entry = room?.pending(id)
    if (!entry) return
    // One that was said before the break, and whose message was seen then, has come
    // already; of any other the message follows.
    entry.state = type === 'stored' ? entry.state : 'said'
    if (repeated) room.remove(entry)
    this.#watcher.changed(room)
  }

  #failed({code, text, id, room: name}, room) {
    const out = id && this.#outbox.find(o => o.id === id)
    if (code === 'not-stored') {
      if (id) this.#arrived(id)
      return this.#note(text, room)
    }
    if (out) {
      const where = this.room(out.room)
      const entry = where?.pending(id)
      this.#arrived(id)
      if (entry) Object.assign(entry, {state: 'failed', error: text})
      this.#watcher.changed(where)
      return
    }
    switch (code) {
    case 'password':
      this.#serverPassword = ''
      tab.set('password', '')
      this.#stayOut = true
      this.#watcher.wanted('password', text)
      break
    case 'name-taken':
    case 'name-refused':
    case 'login':
      this.#watcher.wanted('name', text, {name: this.#name})
      break
    case 'locked':
    case 'room-refused':
      if (this.#wishes.delete(name)) browser.set('rooms', [...this.#wishes])
      this.#leftAll = this.#wishes.size === 0
      this.#watcher.told(text)
      break
    default:
      this.#watcher.told(text)
    }
  }

  #note(text, room) {
    const where = room ?? this.current
    if (!where) return this.#watcher.told(text)
    where.note(text)
    this.#watcher.changed(where)
  }

  #renamed(from, to) {
    const direct = this.directs.get(from)
    if (!direct || this.directs.has(to)) return
    this.directs.delete(from)
    direct.name = to
    this.directs.set(to, direct)
  }

  #lost() {
    for (const room of this.rooms.values()) room.joined = false
    const bye = this.#stayOut ? 'password' : this.#bye
    this.#stayOut = false
    this.#bye = ''
    if (meant.includes(bye)) return null
    return bye === 'refused' ? 4 : 0
  }
}

// What the server says when there is no use in coming back by oneself: until somebody
// is there again, or wants something else.
const meant = ['sent-away', 'taken-over', 'version', 'password', 'idle']

/** same tells whether two names are one, as far as this page can tell. */
export function same(a, b) {
  return a === b || a.normalize('NFKC').toLowerCase() === b.normalize('NFKC').toLowerCase()
}
