// The page: it puts the chat and what shows it together.

import {Chat} from './chat.js'
import {Composer} from './composer.js'
import {Password, Person, Rooms, Search, You} from './dialogs.js'
import {$, element} from './element.js'
import {Lists} from './lists.js'
import {Log} from './log.js'
import {browser, session} from './memory.js'
import {hue, initial, label, visible} from './text.js'

const announceMost = 3 // messages that a screen reader reads out of one burst
const searchPages = 12 // pages of history that are fetched to reach what was found

const chat = new Chat(await session(), {
  changed: where => {
    drawSoon()
    if (!where) drawState()
  },
  heard,
  sees: where => where === chat.current && looking() && log.following,
  wanted,
  told: text => tell(text),
})

const you = new You(chat)
const password = new Password()
const rooms = new Rooms(chat, enter)
const search = new Search(chat, reveal)
const person = new Person(chat, name => talk(name))
const lists = new Lists(chat, {
  show: where => chat.show(where),
  person: name => person.show(name),
  leave: room => chat.leave(room).catch(err => tell(err.message)),
  close: direct => chat.close(direct),
})
const log = new Log(chat, {
  fill: (room, gap) => chat.fill(room, gap),
  again: (where, entry) => chat.again(where, entry),
  forget: (where, entry) => chat.forget(where, entry),
  person: name => person.show(name),
  read,
})
const composer = new Composer(chat, {
  me: (text, where) => text && chat.say(where, where.isDirect ? `* ${text}` : text, !where.isDirect),
  msg: line => {
    const [, name, text] = /^(\S+)\s*(.*)$/s.exec(line) ?? []
    if (!name) throw new Error('write /msg NAME TEXT')
    talk(name, text)
  },
  join: line => {
    const [name, secret] = line.split(/\s+/)
    return name ? enter(name.replace(/^#/, ''), secret) : rooms.show()
  },
  leave: (_, where) => where.isDirect ? chat.close(where) : chat.leave(where),
  nick: name => name ? chat.setName(name, '') : you.show(),
  login: name => you.show('', name),
  register: () => you.show(),
  rooms: () => rooms.show(),
  search: words => search.show(words),
  quit: () => chat.connection.stop('You have left.'),
})

// What a person does.

async function enter(name, secret) {
  try {
    await chat.join(name, secret)
  } catch (err) {
    if (err.code !== 'locked') throw err
    password.show(`${label(name)} is locked`, secret ? err.message : '', given => chat.join(name, given))
  }
}

function talk(name, text) {
  const where = chat.direct(name)
  chat.show(where)
  if (text) chat.say(where, text)
  drawSoon()
}

/** reveal shows a message that was found, and fetches what lies between. */
async function reveal(room, message) {
  chat.show(room)
  for (let i = 0; i < searchPages && !(room.oldest <= message.seq); i++) {
    room.held = true
    if (await chat.fetchOlder(room, 500) === 0 && !room.older) break
  }
  draw()
  if (!log.reveal(message.seq)) tell('That lies too far back to be shown here.')
}

/** wanted asks the person for what the server wants. */
function wanted(what, text, details = {}) {
  if (what === 'name') return you.show(text, details.name)
  password.show('This chat has a password', text.includes('not') ? text : '', async given => chat.setServerPassword(given))
}

// What is seen.

let due = false

function drawSoon() {
  if (due) return
  due = true
  // A page out of sight gets no frames.
  if (document.hidden) setTimeout(draw, 250)
  else requestAnimationFrame(draw)
}

function draw() {
  due = false
  const where = chat.current
  $('server').firstChild.textContent = label(chat.server.replace(/^chatd on /, '') || 'chat')
  $('title').replaceChildren(...where ? [element('span', {className: 'sign', 'aria-hidden': 'true', textContent: where.isDirect ? '@' : '#'}), element('bdi', {textContent: label(where.name)})] : [])
  $('topic').textContent = where?.topic ? label(where.topic) : where?.isDirect ? 'Only you two' : ''
  $('topic').title = $('topic').textContent
  $('open-search').hidden = !where || where.isDirect
  const room = where && !where.isDirect ? '#' + encodeURIComponent(where.name) : ''
  if (where && location.hash !== room) history.replaceState(null, '', room || location.pathname)
  drawMe()
  $('empty').hidden = chat.connection.state !== 'open' || Boolean(where)
  lists.draw()
  log.draw()
  composer.draw()
  if (log.following) read()
  drawTitle()
}

function drawTitle() {
  const name = chat.current ? label(chat.current.name) : 'chat'
  const server = label(chat.server.replace(/^chatd on /, ''))
  document.title = (chat.unread ? `(${chat.unread}) ` : '') + name + (server ? ` · ${server}` : '')
}

function drawMe() {
  const me = $('me')
  const name = chat.you.name
  me.querySelector('.avatar').textContent = initial(name)
  me.querySelector('.avatar').style.setProperty('--hue', hue(name))
  me.querySelector('.me-name').textContent = label(name) || '…'
  const words = {open: chat.you.operator ? 'operator' : chat.you.registered ? 'registered' : 'online', connecting: 'connecting …', waiting: 'offline', stopped: 'offline'}
  me.querySelector('.me-state').textContent = words[chat.connection.state]
  me.classList.toggle('online', chat.connection.state === 'open')
}

let counting = 0

/** drawState says how the connection is, unless it is well. */
function drawState() {
  const {state, reason, next} = chat.connection
  clearTimeout(counting)
  const why = reason ? `${visible(reason).replace(/\.$/, '')}. ` : ''
  const left = Math.max(0, Math.ceil((next - Date.now()) / 1000))
  const texts = {
    waiting: `${why || 'The connection is lost. '}Trying again${left ? ` in ${left} s` : ' …'}`,
    connecting: 'Connecting …',
    stopped: why || 'Not connected. ',
  }
  // A first try that works at once need not be told of.
  const quiet = state === 'open' || state === 'connecting' && chat.server === ''
  $('banner').hidden = quiet
  $('banner').className = `banner ${state}`
  if (!quiet && $('banner-text').textContent !== texts[state]) $('banner-text').textContent = texts[state]
  $('banner-button').hidden = state === 'connecting'
  $('banner-button').textContent = state === 'stopped' ? 'Connect again' : 'Now'
  if (state === 'waiting') counting = setTimeout(drawState, 1000)
  if (state === 'open') askName()
}

/** askName asks who has no name for one, once. */
function askName() {
  if (browser.get('name', '') || browser.get('asked', false)) return
  browser.set('asked', true)
  you.show()
}

$('banner-button').addEventListener('click', () => chat.connection.begin())

let told = 0

/** tell says something that belongs to no conversation. */
function tell(text) {
  if (chat.current) {
    chat.current.note(text, {answer: true})
    return drawSoon()
  }
  composer.hint(visible(text), true)
  clearTimeout(told)
  told = setTimeout(() => composer.hint(''), 10_000)
}

const looking = () => !document.hidden && document.hasFocus()

function read() {
  if (chat.current && looking()) chat.read(chat.current)
}

document.addEventListener('visibilitychange', () => document.hidden || drawSoon())
addEventListener('focus', () => {
  chat.lookAround()
  drawSoon()
})

// What is heard.

let announced = []

function heard(where, entry) {
  drawTitle()
  if (!where.live) return
  if (where === chat.current && !document.hidden) announce(`${label(entry.from)}: ${visible(entry.text)}`)
  if ((entry.named || where.isDirect) && document.hidden) notify(where, entry)
}

/** announce has a screen reader read something out. */
function announce(text) {
  announced.push(text)
  if (announced.length > 1) return
  setTimeout(() => {
    const more = announced.length - announceMost
    $('announcer').textContent = announced.slice(0, announceMost).join('\n') + (more > 0 ? `\nand ${more} more` : '')
    announced = []
  }, 500)
}

function notify(where, entry) {
  if (!browser.get('notify', false) || Notification.permission !== 'granted') return
  const note = new Notification(`${label(entry.from)} in ${label(where.name)}`, {body: visible(entry.text), tag: where.name})
  note.onclick = () => {
    focus()
    chat.show(where)
    note.close()
  }
}

// What can be chosen.

$('me').addEventListener('click', () => you.show())
$('browse').addEventListener('click', () => rooms.show())
$('find').addEventListener('click', () => rooms.show())
$('open-search').addEventListener('click', () => search.show())

$('show-presence').checked = browser.get('presence', true)
log.presence = $('show-presence').checked
$('show-presence').addEventListener('change', e => {
  browser.set('presence', e.target.checked)
  log.presence = e.target.checked
})

if (isSecureContext && 'Notification' in window) {
  $('notify-label').hidden = false
  $('notify').checked = browser.get('notify', false) && Notification.permission === 'granted'
  $('notify').addEventListener('change', async e => {
    const may = e.target.checked && await Notification.requestPermission() === 'granted'
    e.target.checked = may
    browser.set('notify', may)
  })
}

addEventListener('keydown', e => {
  if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === 'k') {
    e.preventDefault()
    search.show()
  } else if (e.altKey && !e.ctrlKey && (e.key === 'ArrowUp' || e.key === 'ArrowDown')) {
    e.preventDefault()
    const all = [...chat.rooms.values(), ...chat.directs.values()]
    const at = all.indexOf(chat.current) + (e.key === 'ArrowUp' ? -1 : 1)
    chat.show(all.at(at % all.length))
  }
})

addEventListener('hashchange', () => {
  const name = wish()
  if (name) enter(name).catch(err => tell(err.message))
})

/** wish is the room that the address names. */
function wish() {
  try {
    return decodeURIComponent(location.hash.slice(1))
  } catch {
    return ''
  }
}

chat.begin(wish())
