// Making elements. Text is text: there is no way here to make markup of a string.

export const $ = id => document.getElementById(id)

/** element makes one, with properties, and with texts and elements in it. */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name)
  for (const [property, value] of Object.entries(properties)) {
    if (property === 'hue') made.style.setProperty('--hue', value)
    else if (property.startsWith('aria-') || property === 'role') made.setAttribute(property, value)
    else made[property] = value
  }
  made.append(...children.filter(c => c !== null && c !== undefined && c !== false))
  return made
}

/** icon draws one of the symbols that the page begins with. */
export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use')
  use.setAttribute('href', '#i-' + name)
  svg.setAttribute('aria-hidden', 'true')
  svg.append(use)
  return svg
}

/** arrange makes children all that parent has, in this order, and moves as few as it can. */
export function arrange(parent, children) {
  let at = parent.firstChild
  for (const child of children) {
    if (child === at) {
      at = at.nextSibling
      continue
    }
    parent.insertBefore(child, at)
  }
  while (at) {
    const next = at.nextSibling
    at.remove()
    at = next
  }
}
