package store

import (
	"context"
	"encoding/binary"
	"errors"
)

// When SQLite moves rows from one page to another it leaves their bytes in the
// unused part of the first, which secure_delete does not overwrite: it knows of
// what was deleted, not of copies. A text may so outlive its message. scrub finds
// and clears those parts, page by page, through the table sqlite_dbpage, so that
// SQLite's own journal protects the change.

// scrub clears the unused parts of all pages.
func (s *Store) scrub(ctx context.Context) error {
	for page := 1; ; page += scrubStep {
		more, err := ask(ctx, s.q, func() (bool, error) { return s.w.scrub(page, page+scrubStep) })
		if err != nil || !more {
			return err
		}
	}
}

// overflowsAt is the number of pages from which on a page that continues a long
// text, which begins with another's number, may look like one of a tree.
const overflowsAt = 0x02_00_00_00

// scrub clears the unused parts of the pages from one on and before another, and
// tells whether there are more.
func (w *writer) scrub(from, end int) (more bool, err error) {
	ctx := context.Background()
	var last int
	if err := w.db.QueryRowContext(ctx, "PRAGMA page_count").Scan(&last); err != nil {
		return false, err
	}
	if last >= overflowsAt {
		return false, errors.New("the history is too large to be scrubbed (128 GiB); stop chatd and run sqlite3 chatd.db VACUUM")
	}
	return end <= last, transact(ctx, w.db, func() error {
		for n := from; n < min(end, last+1); n++ {
			var page []byte
			if ok, err := one(ctx, w.db, []any{&page}, "SELECT data FROM sqlite_dbpage WHERE pgno = ?", n); err != nil {
				return err
			} else if !ok || !clearUnused(page, n) {
				continue
			}
			if _, err := w.db.ExecContext(ctx, "UPDATE sqlite_dbpage SET data = ? WHERE pgno = ?", page, n); err != nil {
				return err
			}
		}
		return nil
	})
}

// clearUnused overwrites with zeros what a page of a tree does not use, and tells
// whether that changed anything. Other pages, and such as make no sense, stay as
// they are. See https://sqlite.org/fileformat2.html#b_tree_pages.
func clearUnused(page []byte, number int) (changed bool) {
	header := page
	if number == 1 {
		if len(page) < 100 {
			return false
		}
		header = page[100:] // after the header of the file
	}
	if len(header) < 12 {
		return false
	}
	pointers := len(page) - len(header)
	switch header[0] {
	case 0x02, 0x05: // between others
		pointers += 12
	case 0x0a, 0x0d: // a leaf
		pointers += 8
	default:
		return false
	}
	pointers += 2 * int(binary.BigEndian.Uint16(header[3:]))
	content := int(binary.BigEndian.Uint16(header[5:]))
	if content == 0 {
		content = 1 << 16
	}
	if pointers > content || content > len(page) {
		return false
	}
	changed = clearBytes(page[pointers:content])
	// Free blocks are chained, in order: the next one's place, then the size.
	last := content
	for at := int(binary.BigEndian.Uint16(header[1:])); at >= last && at+4 <= len(page); {
		end := at + int(binary.BigEndian.Uint16(page[at+2:]))
		if end < at+4 || end > len(page) {
			break
		}
		changed = clearBytes(page[at+4:end]) || changed
		last, at = end, int(binary.BigEndian.Uint16(page[at:]))
	}
	return changed
}

// clearBytes sets all bytes to zero and tells whether they were not.
func clearBytes(b []byte) (changed bool) {
	for i, c := range b {
		if c != 0 {
			b[i], changed = 0, true
		}
	}
	return changed
}
