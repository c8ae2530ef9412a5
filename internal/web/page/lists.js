// The lists beside the messages: the conversations on one side, the people on the
// other, and on a phone the drawers that they are in.

import {$, arrange, element, icon} from './element.js'
import {hue, initial, label} from './text.js'

export class Lists {
  #chat
  #actions
  #items = new Map() // by conversation or name: what is drawn of it

  /** actions are: show, person, leave, close. */
  constructor(chat, actions) {
    this.#chat = chat
    this.#actions = actions
    $('open-side').addEventListener('click', () => this.open('side'))
    $('open-people').addEventListener('click', () => this.togglePeople())
    $('shade').addEventListener('click', () => this.close())
    for (const button of document.querySelectorAll('[data-close-drawer]')) button.addEventListener('click', () => this.close())
    addEventListener('keydown', e => e.key === 'Escape' && this.close())
    narrow.addEventListener('change', () => this.close())
    noPeople.addEventListener('change', () => this.close())
    this.close()
  }

  draw() {
    const {rooms, directs, current} = this.#chat
    arrange($('rooms'), [...rooms.values()].map(c => this.#conversation(c)))
    arrange($('directs'), [...directs.values()].map(c => this.#conversation(c)))
    $('directs-label').hidden = directs.size === 0
    $('elsewhere').hidden = ![...rooms.values(), ...directs.values()].some(c => c !== current && c.unread > 0)
    this.#drawPeople(current)
  }

  #conversation(c) {
    let item = this.#items.get(c)
    if (!item) {
      const go = element('button', {className: 'go', type: 'button'})
      go.addEventListener('click', () => {
        this.#actions.show(c)
        this.close()
      })
      const end = element('button', {className: 'icon small end', type: 'button'}, icon('close'))
      end.addEventListener('click', () => c.isDirect ? this.#actions.close(c) : this.#actions.leave(c))
      item = element('li', {}, go, end)
      this.#items.set(c, item)
    }
    const [go, end] = item.children
    const version = [c.name, c.locked, c.unread, c.named, c === this.#chat.current, c.joined].join()
    if (item.dataset.version === version) return item
    item.dataset.version = version
    const shown = label(c.name)
    const sign = c.isDirect
      ? element('span', {className: 'avatar', hue: hue(c.name), textContent: initial(c.name), 'aria-hidden': 'true'})
      : element('span', {className: 'sign', 'aria-hidden': 'true'}, c.locked ? icon('lock') : '#')
    go.replaceChildren(sign, element('bdi', {textContent: shown}))
    if (c.unread > 0) {
      go.append(element('span', {className: c.named || c.isDirect ? 'badge named' : 'badge', textContent: c.unread > 99 ? '99+' : c.unread},
        element('span', {className: 'hidden', textContent: ' unread'})))
    }
    item.className = c.unread > 0 ? 'unread' : ''
    if (c === this.#chat.current) go.setAttribute('aria-current', 'true')
    else go.removeAttribute('aria-current')
    end.setAttribute('aria-label', c.isDirect ? `Close what was said with ${shown}` : `Leave ${shown}`)
    end.title = c.isDirect ? 'Close' : 'Leave'
    return item
  }

  #drawPeople(room) {
    const count = room && !room.isDirect ? room.people.size + room.more : 0
    $('open-people').hidden = count === 0 && !room?.listening
    $('people').hidden = !room || room.isDirect
    $('people-count').textContent = count
    $('open-people').setAttribute('aria-label', `People: ${count}`)
    if (!room || room.isDirect) return
    const people = [...room.people.values()].sort((a, b) => Boolean(a.away) - Boolean(b.away) || order.compare(a.name, b.name))
    const version = JSON.stringify([people, this.#chat.you.name])
    if ($('people-list').dataset.version !== version) {
      $('people-list').dataset.version = version
      $('people-list').replaceChildren(...people.map(p => this.#person(p)))
    }
    const words = []
    if (room.more > 0) words.push(`${room.more} more`)
    if (room.listening > 0) words.push(`${room.listening} listening`)
    $('people-more').textContent = words.length ? `and ${words.join(', ')}` : people.length ? '' : 'Nobody has said anything yet.'
  }

  #person({name, away}) {
    const mine = name === this.#chat.you.name
    const go = element('button', {className: 'go', type: 'button'},
      element('span', {className: 'avatar', hue: hue(name), textContent: initial(name), 'aria-hidden': 'true'}),
      element('bdi', {textContent: label(name)}),
      mine && element('span', {className: 'you', textContent: 'you'}),
      away && element('span', {className: 'you', textContent: 'away'}))
    go.addEventListener('click', () => this.#actions.person(name))
    return element('li', {className: away ? 'away' : ''}, go)
  }

  // The drawers.

  open(which) {
    document.body.dataset.drawer = which
    $('shade').hidden = false
    this.#settle()
    $(which).querySelector('[aria-current], button')?.focus()
  }

  close() {
    const was = document.body.dataset.drawer
    delete document.body.dataset.drawer
    $('shade').hidden = true
    this.#settle()
    if (was) $(was === 'side' ? 'open-side' : 'open-people').focus()
  }

  togglePeople() {
    if (noPeople.matches) return this.open('people')
    document.body.classList.toggle('alone')
    this.#settle()
  }

  /** settle keeps the keyboard out of what is not in sight. */
  #settle() {
    const drawer = document.body.dataset.drawer
    $('side').inert = narrow.matches && drawer !== 'side'
    $('people').inert = noPeople.matches ? drawer !== 'people' : document.body.classList.contains('alone')
    document.querySelector('.chat').inert = Boolean(drawer)
  }
}

// The widths at which style.css makes drawers of the lists.
const narrow = matchMedia('(max-width: 760px)')
const noPeople = matchMedia('(max-width: 1060px)')

const order = new Intl.Collator(undefined, {sensitivity: 'base', numeric: true})
