// Package near finds the word that somebody probably meant.
package near

// Find returns the candidate with the fewest edits (letters added, dropped,
// changed, or swapped with their neighbour) from word, if they are few enough for
// it to be a slip: a third of the word, and one at least.
func Find(word string, candidates []string) (best string, ok bool) {
	least := max(len(word)/3, 1) + 1
	for _, c := range candidates {
		if d := Distance(word, c); d < least {
			best, least, ok = c, d, true
		}
	}
	return best, ok
}

// Most is how long, in bytes, a word may be to be looked at.
const Most = 64

// Distance is how many letters of a have to be added, dropped, changed, or swapped
// with their neighbour to get b, by bytes. A word of more than Most is as far from
// every other as it is long.
func Distance(a, b string) int {
	if len(a) > Most || len(b) > Most {
		return max(len(a), len(b))
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}
