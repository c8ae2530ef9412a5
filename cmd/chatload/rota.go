package main

// rota is a queue of groups, each in it at most once.
type rota struct {
	groups []int32 // a ring
	in     []bool
	first  int
	count  int
}

func newRota(groups int) rota {
	return rota{groups: make([]int32, groups), in: make([]bool, groups)}
}

// add puts a group at the end, unless it is in the queue.
func (r *rota) add(g int) {
	if r.in[g] {
		return
	}
	r.in[g] = true
	r.groups[(r.first+r.count)%len(r.groups)] = int32(g)
	r.count++
}

// next is the group at the front, which stays there.
func (r *rota) next() (g int, ok bool) { return int(r.groups[r.first]), r.count > 0 }

// pop takes it out.
func (r *rota) pop() {
	r.in[r.groups[r.first]] = false
	r.first = (r.first + 1) % len(r.groups)
	r.count--
}
