package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/chatd/chatd/internal/invariant"
)

// tab is the page, in a browser of its own.
type tab struct {
	t   *testing.T
	ctx context.Context
}

// openTab starts a browser and opens an address in it.
func openTab(t *testing.T, url string) *tab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.Flag("lang", "en-GB"), chromedp.Env("TZ=UTC", "LANGUAGE=en_GB"))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(end)
	ctx, endBrowser := chromedp.NewContext(allocator)
	b := &tab{t: t, ctx: ctx}
	complaints := chromedp.Console(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for m, err := range complaints {
			if err != nil {
				return
			}
			if m.Type == chromedp.ConsoleException { // that no server is there is only told
				t.Errorf("the page complains: %v", m)
			}
		}
	}()
	t.Cleanup(func() { endBrowser(); <-done })
	// Without a time limit: that of the first step is the browser's.
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		t.Fatalf("no browser: %v; tools/deps.sh installs it", err)
	}
	if _, err := chromedp.Call(ctx, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	return chromedp.Do(ctx, steps...)
}

// eval returns the value of an expression in the page. A promise is waited for.
func eval[T any](b *tab, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		err = fmt.Errorf("%s: %w", expression, err)
	}
	return value, err
}

// until waits until an expression is true, looking whenever the page changes.
func (b *tab) until(expression string) error {
	_, err := eval[bool](b, fmt.Sprintf(`new Promise(done => {
		const look = () => {
			let is = false
			try { is = Boolean(%s) } catch {}
			if (is) { observer.disconnect(); done(true) }
			return is
		}
		const observer = new MutationObserver(look)
		if (look()) return
		observer.observe(document, {subtree: true, childList: true, attributes: true, characterData: true})
	})`, expression))
	if err != nil {
		shown, _ := eval[string](b, `document.body.innerText`)
		err = fmt.Errorf("%w; the page shows:\n%s", err, shown)
	}
	return err
}

// field is where one writes messages.
const field = `textarea[aria-label="Message"]`

// writes writes a text into a field and presses Enter.
func (b *tab) writes(where, text string) error {
	if err := b.do(chromedp.Focus(chromedp.CSS(where))); err != nil {
		return err
	}
	if _, err := chromedp.Call(b.ctx, input.InsertText, input.InsertTextParams{Text: text}); err != nil {
		return err
	}
	return b.do(chromedp.KeyEvent(kb.Enter))
}

// usesBrowser has m talk in the page.
func (m *member) usesBrowser(url string) *tab {
	t := m.party.t
	t.Helper()
	b := openTab(t, url)
	const ask = `dialog[open] input[name=name]`
	if err := b.until(fmt.Sprintf(`document.querySelector('%s') && document.querySelector('%s:not(:disabled)')`, ask, field)); err != nil {
		t.Fatal(err)
	}
	if err := b.writes(ask, m.name); err != nil {
		t.Fatal(err)
	}
	if err := b.until(fmt.Sprintf(`!document.querySelector('dialog[open]') && document.querySelector('#me').textContent.includes(%q)`, m.name)); err != nil {
		t.Fatal(err)
	}
	m.say = func(text string) error { return b.writes(field, text) }
	m.saw = func(marks ...place) error { return b.until(shownInLog(marks)) }
	m.look = func() error { return m.lookAtLog(b) }
	return b
}

// shownInLog is an expression: all of these messages are shown, and were said.
func shownInLog(marks []place) string {
	var all []string
	for _, mark := range marks {
		all = append(all, mark.beginning())
	}
	list, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`(texts => %s.every(begin => texts.some(text => text.startsWith(begin))))(
		[...document.querySelectorAll('[role=log] [data-seq] .text')].map(e => e.textContent))`, list)
}

// lookAtLog takes in what the page shows of what was said.
func (m *member) lookAtLog(b *tab) error {
	shown, err := eval[[]struct {
		Seq              uint64
		From, Text, What string
	}](b, `[...document.querySelectorAll('[role=log] > li')].map(li => ({
		Seq: Number(li.dataset.seq ?? 0),
		From: li.querySelector('.name')?.textContent ?? '',
		Text: (li.querySelector('.text') ?? li).textContent,
		What: li.className,
	}))`)
	if err != nil {
		return err
	}
	for _, x := range shown {
		m.mustBeHarmless(x.From + x.Text)
		switch {
		case x.Seq > 0:
			m.message(x.From, x.Text, x.Seq)
		case x.From != "", strings.Contains(x.What, "gap"):
			m.party.t.Errorf("%s is shown %q (%s)", m.name, x.Text, x.What)
		default:
			m.Add(invariant.Notice(x.Text))
		}
	}
	return nil
}
