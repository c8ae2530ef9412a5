// The field in which one writes: what goes out is a message, a command that the page
// knows, or one that the server does.

import {$} from './element.js'

const remembered = 50 // texts that the arrow brings back

export class Composer {
  #chat
  #commands
  #drafts = new WeakMap() // by conversation
  #where = null
  #said = []
  #back = 0 // how far one has gone back in said
  #completing = null
  #newLine = false // the key that was pressed means a line end in the text
  #bytes = new TextEncoder()

  /** commands are what lines with a slash do here, by their word. */
  constructor(chat, commands) {
    this.#chat = chat
    this.#commands = commands
    const text = $('text')
    text.addEventListener('input', () => this.#changed())
    text.addEventListener('keydown', e => this.#key(e))
    // A keyboard on glass may say nothing of the key that was meant.
    text.addEventListener('beforeinput', e => {
      if (this.#newLine || !['insertLineBreak', 'insertParagraph'].includes(e.inputType)) return
      e.preventDefault()
      this.#send()
    })
    $('composer').addEventListener('submit', e => {
      e.preventDefault()
      this.#send()
    })
    // Whoever begins to type anywhere means the field.
    addEventListener('keydown', e => {
      const free = document.activeElement === document.body || document.activeElement === $('scroll')
      if (free && e.key.length === 1 && !e.ctrlKey && !e.metaKey && !e.altKey && e.key !== ' ') text.focus()
    })
  }

  /** draw follows the conversation that is shown, and keeps what was begun in the other. */
  draw() {
    const where = this.#chat.current
    const text = $('text')
    if (where !== this.#where) {
      if (this.#where) this.#drafts.set(this.#where, text.value)
      this.#where = where
      text.value = where && this.#drafts.get(where) || ''
      this.#completing = null
      this.#changed()
      if (!document.querySelector('dialog[open]') && matchMedia('(hover: hover)').matches) text.focus()
    }
    text.disabled = !where
    text.placeholder = !where ? '' : where.isDirect ? `To ${where.name} only` : `Say something in ${where.name}`
  }

  #changed() {
    const text = $('text')
    text.style.height = 'auto'
    text.style.height = `${Math.min(text.scrollHeight, innerHeight * 0.4)}px`
    const over = this.#bytes.encode(text.value).length - this.#chat.maxText
    const command = !over || over < 0 ? this.#hintFor(text.value) : ''
    this.hint(over > 0 ? `Too long by ${over} bytes: send it in parts.` : command, over > 0)
    $('composer').classList.toggle('ready', text.value.trim() !== '' && over <= 0)
  }

  #hintFor(value) {
    const word = /^\/([a-z]*)$/i.exec(value)?.[1]
    if (word === undefined) return ''
    const fit = Object.keys(this.#commands).filter(c => c.startsWith(word.toLowerCase()))
    return fit.length ? fit.map(c => '/' + c).join('  ') + '   /help lists the rest' : ''
  }

  hint(text, wrong = false) {
    $('hint').textContent = text
    $('hint').classList.toggle('wrong', wrong)
  }

  #key(e) {
    const text = $('text')
    if (e.key !== 'Tab') this.#completing = null
    if (e.isComposing) return
    this.#newLine = e.key === 'Enter' && (e.shiftKey || e.altKey)
    if (e.key === 'Enter' && !this.#newLine) {
      e.preventDefault()
      this.#send()
    } else if (e.key === 'Tab' && !e.shiftKey && !e.ctrlKey && this.#complete()) {
      e.preventDefault()
    } else if (e.key === 'ArrowUp' && (text.value === '' || this.#back > 0) && this.#recall(1)) {
      e.preventDefault()
    } else if (e.key === 'ArrowDown' && this.#back > 0 && this.#recall(-1)) {
      e.preventDefault()
    }
  }

  #recall(step) {
    const back = this.#back + step
    if (back > this.#said.length) return false
    this.#back = back
    $('text').value = back ? this.#said.at(-back) : ''
    this.#changed()
    return true
  }

  /** complete makes a name of its beginning, and of the next Tab the next one. */
  #complete() {
    const text = $('text')
    if (!this.#completing) {
      const before = text.value.slice(0, text.selectionStart)
      const begun = /[^\s@]+$/.exec(before)?.[0]
      if (!begun) return false
      const names = [...this.#where?.people.keys() ?? []].filter(n =>
        n !== this.#chat.you.name && n.toLowerCase().startsWith(begun.toLowerCase()))
      if (names.length === 0) return false
      this.#completing = {names, next: 0, from: before.length - begun.length, to: text.selectionStart}
    }
    const c = this.#completing
    const name = c.names[c.next++ % c.names.length] + (c.from === 0 ? ': ' : ' ')
    text.setRangeText(name, c.from, c.to, 'end')
    c.to = c.from + name.length
    this.#changed()
    return true
  }

  async #send() {
    const text = $('text')
    const value = text.value.replace(/^\n+|\s+$/g, '')
    const where = this.#where
    if (!where || value.trim() === '' || this.#bytes.encode(value).length > this.#chat.maxText) return
    this.#said.push(value)
    this.#said.splice(0, this.#said.length - remembered)
    this.#back = 0
    text.value = ''
    this.#changed()
    const command = /^\/(?!\/)([^\s/]+)(?=\s|$)\s*(.*)$/s.exec(value)
    if (!command) return this.#chat.say(where, value.replace(/^\/\//, '/'))
    try {
      await this.#do(where, command[1].toLowerCase(), command[2].trim(), value)
    } catch (err) {
      if (text.value === '') {
        text.value = value
        this.#changed()
      }
      this.hint(err.message, true)
    }
  }

  async #do(where, word, rest, line) {
    if (Object.hasOwn(this.#commands, word)) return this.#commands[word](rest, where)
    if (/\n/.test(line)) throw new Error('a command is one line')
    for (const notice of await this.#chat.command(line)) this.answer(notice)
  }

  /** answer shows what a command says, where it was given. */
  answer(text) {
    this.#where?.note(text, {answer: true})
    this.#chat.changedHere()
  }
}
