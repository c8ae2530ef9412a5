package feed

// order has do run by the holder of the turn, between two records. Orders are
// numbered in the order in which they are made, from 1 on.
func (o *Outlet) order(do func()) {
	o.mu.Lock()
	o.made++
	o.orders = append(o.orders, do)
	o.ordered.Store(true)
	o.mu.Unlock()
	o.Flush()
}

// obey carries out the orders that others left.
func (o *Outlet) obey() {
	o.mu.Lock()
	o.ordered.Store(false)
	orders := o.orders
	o.orders = nil
	o.mu.Unlock()
	for _, do := range orders {
		o.obeyed++
		do()
	}
	o.mu.Lock()
	o.limit()
	o.mu.Unlock()
}

// Follow adds f to the feeds that are written, from the place from on, but for
// records whose tag is in leaveOut, which nobody may change afterwards; nil leaves
// out none. It begins when the lines posted before have left, and when what was
// unfollowed before has come to its end: so who moves reads the end of one ring,
// the lines posted in between, and the other ring.
func (o *Outlet) Follow(f *Feed, from Place, leaveOut []uint32) {
	o.order(func() {
		o.cursors = append(o.cursors, cursor{feed: f, at: from, leaveOut: leaveOut, since: o.obeyed})
	})
}

// Switch goes on in the feed to where it leaves off in the feed from, which is of
// the same ring.
func (o *Outlet) Switch(from, to *Feed) {
	o.order(func() {
		for i := range o.cursors {
			if c := &o.cursors[i]; c.feed == from {
				c.feed = to
				c.at.Offset = to.At(c.at.Index).Offset
			}
		}
	})
}

// Mask changes which records of f are left out, as in Follow: of those that f does not
// hold yet exactly these. Those that it holds are left out too if they are to be from
// here on, and stay so if they were to be so far, however far the reader is.
func (o *Outlet) Mask(f *Feed, leaveOut []uint32) {
	from := f.Head().Index
	o.order(func() {
		for i := range o.cursors {
			if c := &o.cursors[i]; c.feed == f {
				c.remask(mask{from, leaveOut})
			}
		}
	})
}

// Unfollow writes no more of f than what lies before until, and nothing that f
// does not hold yet.
func (o *Outlet) Unfollow(f *Feed, until Place) {
	if head := f.Head(); head.Index < until.Index {
		until = head // what waits for the end does not wait for records to come
	}
	o.order(func() {
		for i := range o.cursors {
			c := &o.cursors[i]
			if c.feed != f || until.Index >= c.until() {
				continue
			}
			order := o.obeyed
			if c.end != nil {
				order = c.end.order
			}
			c.end = &end{until, order}
		}
	})
}
