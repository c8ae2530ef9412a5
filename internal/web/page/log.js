// How a conversation looks: what was said, by whom and when, and what happened in
// between. Each entry is drawn once and drawn anew only when it has changed.

import {$, arrange, element} from './element.js'
import {dayOf, fill, hue, initial, label, midnight, timeOfDay, visible, wholeTime} from './text.js'

const nearEnd = 60 // px from the end within which one is taken to follow
const nearTop = 400 // px from the top within which more is fetched
const together = 5 * 60_000 // ms within which what one person says stands under one name

export class Log {
  #chat
  #actions
  #shown = null // the conversation that is drawn
  #drawn = new WeakMap() // entry → what was drawn of it, and as what
  #days = new Map() // day → its line
  #presence = true
  #following = true

  /** actions are what an entry's buttons do: fill, again, forget, person. */
  constructor(chat, actions) {
    this.#chat = chat
    this.#actions = actions
    $('scroll').addEventListener('scroll', () => this.#scrolled(), {passive: true})
    $('jump').addEventListener('click', () => this.toEnd())
    new ResizeObserver(() => this.#following && this.#scrollToEnd()).observe($('scroll'))
  }

  set presence(shown) {
    this.#presence = shown
    this.draw()
  }

  /** following tells whether the newest entry is in sight. */
  get following() {
    return this.#following
  }

  toEnd() {
    this.#following = true
    this.#actions.read()
    this.draw()
  }

  draw() {
    const where = this.#chat.current
    const changed = where !== this.#shown
    if (changed) {
      if (this.#shown) this.#shown.held = false
      this.#shown = where
      this.#following = true
      this.#days.clear()
    }
    const scroll = $('scroll')
    const fromEnd = scroll.scrollHeight - scroll.scrollTop
    const first = $('log').querySelector('.message')
    arrange($('log'), where ? this.#lines(where) : [])
    this.#drawTop(where)
    if (this.#following) this.#scrollToEnd()
    else if (first && first !== $('log').querySelector('.message')) scroll.scrollTop = scroll.scrollHeight - fromEnd
    if (where) where.held = !this.#following
    this.#drawJump(where)
    this.#fetch()
  }

  #drawTop(where) {
    const top = $('top')
    top.hidden = !where
    if (!where) return
    if (where.isDirect) top.textContent = `Only you and ${label(where.name)} see this. It is kept nowhere: when this page is gone, so is it.`
    else if (where.loading) top.textContent = 'Fetching what was said before …'
    else if (where.older) top.textContent = ''
    else top.textContent = `This is where ${label(where.name)} begins` + (this.#chat.keeps ? `: ${visible(this.#chat.keeps)}.` : '.')
  }

  #drawJump(where) {
    const jump = $('jump')
    jump.hidden = this.#following || !where
    jump.querySelector('span').textContent = where?.unread ? `${where.unread} new` : 'To the newest'
  }

  /** lines are the elements of a conversation, with a line where the day changes. */
  #lines(where) {
    const lines = []
    let day = null, last = null
    for (const entry of where.entries) {
      if (entry.type === 'presence' && !this.#presence) continue
      const today = midnight(entry.at)
      if (today !== day && entry.type !== 'mark') {
        lines.push(this.#dayLine(today, entry.at))
        day = today
        last = null
      }
      const under = entry.type === 'message' && last?.type === 'message' && continues(entry, last)
      lines.push(this.#line(where, entry, under))
      last = entry
    }
    return lines
  }

  #dayLine(day, at) {
    let line = this.#days.get(day)
    if (!line) this.#days.set(day, line = element('li', {className: 'day'}, element('span')))
    line.firstChild.textContent = dayOf(at)
    return line
  }

  #line(where, entry, under) {
    const version = [entry.state, entry.error, entry.filling, entry.texts?.length].join()
    let drawn = this.#drawn.get(entry)
    if (drawn?.version !== version) {
      drawn = {version, line: this.#make(where, entry)}
      this.#drawn.set(entry, drawn)
    }
    drawn.line.classList.toggle('under', under)
    return drawn.line
  }

  #make(where, entry) {
    switch (entry.type) {
    case 'message':
      return this.#message(where, entry)
    case 'presence':
      return element('li', {className: 'note presence'}, presence(entry.texts), clock(entry.at))
    case 'gap':
      return this.#gap(where, entry)
    case 'mark':
      return element('li', {className: 'mark'}, element('span', {textContent: 'New'}))
    }
    const text = element('span', {className: 'note-text', dir: 'auto'})
    fill(text, entry.text)
    return element('li', {className: 'note' + (entry.answer ? ' answer' : '')}, text, !entry.answer && clock(entry.at))
  }

  #message(where, entry) {
    const name = element('button', {className: 'name', type: 'button', hue: hue(entry.from)}, element('bdi', {textContent: label(entry.from)}))
    name.addEventListener('click', () => this.#actions.person(entry.from))
    const text = element('div', {className: 'text', dir: 'auto'})
    if (entry.kind === 'topic') {
      text.textContent = entry.text ? `set the topic: ${visible(entry.text)}` : 'took the topic away'
    } else {
      fill(text, entry.text)
    }
    const classes = ['message', entry.kind, entry.mine && 'mine', entry.named && 'named', entry.state]
    const line = element('li', {className: classes.filter(Boolean).join(' ')},
      element('span', {className: 'avatar', hue: hue(entry.from), textContent: initial(entry.from), 'aria-hidden': 'true'}),
      element('div', {className: 'head'}, name,
        entry.mine && element('span', {className: 'you', textContent: 'you'}),
        entry.kind === 'announce' && element('span', {className: 'you', textContent: 'to everyone'}),
        clock(entry.at)),
      text)
    if (entry.seq !== undefined) line.dataset.seq = entry.seq
    if (entry.state === 'failed') line.append(this.#failure(where, entry))
    else if (entry.state) line.append(element('span', {className: 'state', textContent: 'sending …'}))
    return line
  }

  #failure(where, entry) {
    const again = element('button', {className: 'link', type: 'button', textContent: 'Try again'})
    again.addEventListener('click', () => this.#actions.again(where, entry))
    const forget = element('button', {className: 'link', type: 'button', textContent: 'Discard'})
    forget.addEventListener('click', () => this.#actions.forget(where, entry))
    return element('p', {className: 'failure', role: 'alert'}, `Not sent: ${visible(entry.error)}. `, again, ' ', forget)
  }

  #gap(where, gap) {
    const n = gap.missing
    const text = n === undefined ? 'Some messages are missing here' : n === 1 ? 'One message is missing here' : `${n} messages are missing here`
    const line = element('li', {className: 'note gap'}, element('span', {textContent: gap.error ? `${text} (${visible(gap.error)})` : text}))
    if (gap.kept) {
      const show = element('button', {className: 'link', type: 'button', textContent: gap.filling ? 'Fetching …' : 'Show', disabled: Boolean(gap.filling)})
      show.addEventListener('click', () => this.#actions.fill(where, gap))
      line.append(' ', show)
    }
    return line
  }

  // Scrolling.

  #scrollToEnd() {
    $('scroll').scrollTop = $('scroll').scrollHeight
  }

  #scrolled() {
    const scroll = $('scroll')
    const following = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < nearEnd
    if (following !== this.#following) {
      this.#following = following
      if (this.#shown) this.#shown.held = !following
      this.#drawJump(this.#shown)
      if (following) this.#actions.read()
    }
    this.#fetch()
  }

  /** fetch fetches what was said before, when its place is nearly in sight. */
  #fetch() {
    const where = this.#shown
    if (!where?.joined || where.isDirect || !where.older || where.loading || !where.live) return
    if ($('scroll').scrollTop > nearTop) return
    this.#chat.fetchOlder(where)
    this.#drawTop(where)
  }

  /** reveal scrolls to the message with a number, if it is drawn, and points at it. */
  reveal(seq) {
    const line = $('log').querySelector(`[data-seq="${Number(seq)}"]`)
    if (!line) return false
    this.#following = false
    line.scrollIntoView({block: 'center'})
    line.classList.remove('pointed')
    void line.offsetWidth // so that it begins anew
    line.classList.add('pointed')
    return true
  }
}

/** continues tells whether an entry stands under the same name as the last one. */
function continues(entry, last) {
  return entry.from === last.from && !entry.kind && !last.kind && entry.mine === last.mine && entry.at - last.at < together
}

/** presence is what happened, or the end of it. */
function presence(texts) {
  const last = texts.slice(-3).map(visible)
  if (texts.length > 3) last.unshift(`${texts.length - 3} more`)
  return element('span', {className: 'note-text', dir: 'auto', textContent: last.join(' · ')})
}

function clock(at) {
  return element('time', {dateTime: at.toISOString(), title: wholeTime(at), textContent: timeOfDay(at)})
}
