package main

// letters are sixteen of which no two look alike, alone or side by side (rn and m
// do): chatd refuses a name that looks like one that is there. No name of them
// begins with guest, which chatd keeps for itself.
const letters = "abcdefghkpqstxyz"

// name is one that differs for all n of a run, below 2^20, and for any two of
// 65,536 runs that follow each other. It has 9 letters, as many as RFC 2812 allows
// a nick to have.
func (r run) name(n int) string {
	return spell(r.number(), 4) + spell(uint32(n), 5)
}

// spell writes n in so many letters, the highest first.
func spell(n uint32, width int) string {
	b := make([]byte, width)
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = letters[n&15]
		n >>= 4
	}
	return string(b)
}
