// The dialogs: each asks a person for something and does it, or says why not.

import {$, arrange, element, icon} from './element.js'
import {dateOf, fill, hue, initial, label, shortTime, visible} from './text.js'

for (const dialog of document.querySelectorAll('dialog')) {
  for (const button of dialog.querySelectorAll('[data-close]')) button.addEventListener('click', () => dialog.close())
  // A click beside it closes it too.
  dialog.addEventListener('mousedown', e => e.target === dialog && dialog.close())
}

/** onSubmit has a form do something that may take time or fail. */
function onSubmit(form, act) {
  form.addEventListener('submit', async e => {
    e.preventDefault()
    const button = form.querySelector('button:not([type])')
    complain(form, '')
    button.disabled = true
    try {
      await act(form.elements)
    } catch (err) {
      complain(form, err.message)
    }
    button.disabled = false
  })
}

const complain = (form, text) => {
  form.querySelector('.error').textContent = visible(text)
}

function open(dialog) {
  if (!dialog.open) dialog.showModal()
}

/** You asks for a name, a password for it, and what else one can choose. */
export class You {
  #chat
  #form = $('d-you').querySelector('form')

  constructor(chat) {
    this.#chat = chat
    onSubmit(this.#form, async fields => {
      const name = fields.name.value.trim()
      if (!name) throw new Error('write a name')
      await chat.setName(name, fields.password.value)
      fields.password.value = ''
      $('d-you').close()
    })
    onSubmit($('d-you-register'), async fields => {
      if (!fields.password.value) throw new Error('write a password')
      await chat.register(fields.password.value)
      fields.password.value = ''
      $('d-you').close()
    })
  }

  show(reason = '', wanted = '') {
    const {you, server} = this.#chat
    const guest = /^guest\d+$/.test(you.name)
    $('d-you-title').textContent = guest ? 'What should people call you?' : 'You'
    $('d-you-intro').textContent = guest && !reason ? `You are ${you.name} on ${visible(server).replace(/^chatd on /, '')}. Without a name you can read and write too.` : ''
    this.#form.elements.name.value = wanted || (guest ? '' : you.name)
    complain(this.#form, reason)
    complain($('d-you-register'), '')
    $('d-you-register').hidden = guest || you.registered
    $('d-you-settings').hidden = guest
    open($('d-you'))
  }
}

/** Password asks for the password of the chat or of a room. */
export class Password {
  #act = async () => {}

  constructor() {
    onSubmit($('d-password').querySelector('form'), async fields => {
      await this.#act(fields.password.value)
      fields.password.value = ''
      $('d-password').close()
    })
  }

  show(title, reason, act) {
    this.#act = act
    $('d-password-title').textContent = title
    complain($('d-password').querySelector('form'), reason)
    open($('d-password'))
  }
}

/** Rooms lists the rooms there are, and makes new ones. */
export class Rooms {
  #chat
  #rooms = []
  #form = $('d-rooms').querySelector('form')

  /** enter goes into a room. */
  constructor(chat, enter) {
    this.#chat = chat
    this.enter = enter
    this.#form.elements.room.addEventListener('input', () => this.#draw())
    onSubmit(this.#form, async fields => {
      const name = fields.room.value.trim().replace(/^#/, '')
      if (name) await this.#go(name)
    })
  }

  async #go(name) {
    await this.enter(name)
    $('d-rooms').close()
  }

  async show() {
    this.#form.elements.room.value = ''
    complain(this.#form, '')
    this.#rooms = []
    $('d-rooms-more').textContent = ''
    this.#draw()
    open($('d-rooms'))
    try {
      const {rooms, more} = await this.#chat.listRooms()
      this.#rooms = rooms
      $('d-rooms-more').textContent = more ? `and ${more} more` : ''
    } catch (err) {
      complain(this.#form, err.message)
    }
    this.#draw()
  }

  #draw() {
    const words = this.#form.elements.room.value.trim().toLowerCase()
    const fit = this.#rooms.filter(r => `${r.room} ${r.topic ?? ''}`.toLowerCase().includes(words))
    arrange($('d-rooms-list'), fit.map(room => this.#line(room)))
  }

  #line({room, people, topic, locked, spoken}) {
    const facts = [people === 1 ? '1 person' : `${people} people`]
    if (spoken) facts.push(`last spoken ${shortTime(dateOf(spoken))}`)
    if (this.#chat.room(room)?.joined) facts.push('you are in it')
    const go = element('button', {type: 'button', className: 'choice'},
      element('span', {className: 'sign', 'aria-hidden': 'true'}, locked ? icon('lock') : '#'),
      element('span', {className: 'choice-text'},
        element('bdi', {className: 'strong', textContent: label(room)}),
        element('span', {className: 'faint', textContent: facts.join(' · ')}),
        topic && element('span', {dir: 'auto', textContent: label(topic)})))
    go.addEventListener('click', () => this.#go(room).catch(err => complain(this.#form, err.message)))
    return element('li', {}, go)
  }
}

/** Search finds what was said in a room. */
export class Search {
  #chat
  #found = []
  #room = null
  #form = $('d-search').querySelector('form')

  /** go shows a message where it was said. */
  constructor(chat, go) {
    this.#chat = chat
    this.go = go
    onSubmit(this.#form, () => this.#search())
    $('d-search-more').addEventListener('click', () =>
      this.#search(this.#found[0]?.seq).catch(err => complain(this.#form, err.message)))
  }

  show(words = '') {
    const room = this.#chat.current
    if (!room || room.isDirect) return
    if (room !== this.#room) this.#draw([], false)
    this.#room = room
    $('d-search-title').textContent = `Search in ${label(room.name)}`
    complain(this.#form, '')
    open($('d-search'))
    this.#form.elements.words.select()
    if (!words) return
    this.#form.elements.words.value = words
    this.#form.requestSubmit()
  }

  async #search(olderThan) {
    const words = this.#form.elements.words.value.trim()
    if (!words) return
    const page = await this.#chat.search(this.#room, words, olderThan)
    const found = olderThan === undefined ? page.messages : [...page.messages, ...this.#found]
    this.#draw(found, Boolean(page.more))
    if (found.length === 0) complain(this.#form, 'Nothing was found.')
  }

  #draw(found, more) {
    this.#found = found
    $('d-search-more').hidden = !more
    $('d-search-list').replaceChildren(...found.toReversed().map(m => this.#line(m)))
  }

  #line(message) {
    const text = element('span', {dir: 'auto', className: 'found-text', textContent: visible(message.text)})
    const go = element('button', {type: 'button', className: 'choice'},
      element('span', {className: 'avatar', hue: hue(message.from), textContent: initial(message.from), 'aria-hidden': 'true'}),
      element('span', {className: 'choice-text'},
        element('span', {}, element('bdi', {className: 'name', hue: hue(message.from), textContent: label(message.from)}), ' ',
          element('time', {className: 'faint', dateTime: message.time, textContent: shortTime(dateOf(message.time))})),
        text))
    go.addEventListener('click', () => {
      $('d-search').close()
      this.go(this.#room, message)
    })
    return element('li', {}, go)
  }
}

// What an operator can do to a person, by the words on the button.
const sanctions = {
  'Send away': name => `/kick ${name}`,
  'Mute for 10 minutes': name => `/mute ${name} 10m`,
  'Ban for an hour': name => `/ban ${name} 1h`,
}

/** Person shows who somebody is, and what one can do about them. */
export class Person {
  #chat
  #talk

  /** talk begins to talk with one person only. */
  constructor(chat, talk) {
    this.#chat = chat
    this.#talk = talk
  }

  show(name) {
    const mine = name === this.#chat.you.name
    const buttons = []
    const button = (text, act, className = '') => {
      const b = element('button', {type: 'button', textContent: text, className})
      b.addEventListener('click', act)
      buttons.push(b)
    }
    const command = text => () => this.#command(text)
    $('d-person-name').textContent = label(name)
    $('d-person-text').replaceChildren()
    if (!mine) {
      button('Write to them alone', () => {
        $('d-person').close()
        this.#talk(name)
      }, 'primary')
      button('Ignore, or no more', command(`/ignore ${name}`))
    }
    if (!mine && this.#chat.you.operator) {
      for (const [text, line] of Object.entries(sanctions)) button(text, command(line(name)), 'danger')
    }
    $('d-person-buttons').replaceChildren(...buttons)
    open($('d-person'))
    this.#command(`/whois ${name}`)
  }

  async #command(line) {
    let answers
    try {
      answers = await this.#chat.command(line)
    } catch (err) {
      answers = [err.message]
    }
    $('d-person-text').replaceChildren(...answers.map(text => {
      const p = element('p', {dir: 'auto'})
      fill(p, text)
      return p
    }))
  }
}
