package sale

// bisect has serve take all items, and then in halves what serve returns, until nothing is returned. serve returns no
// single item, or bisect would not end.
func bisect[T any](all []T, serve func([]T) (rest []T)) {
	rest := serve(all)
	if len(rest) == 0 {
		return
	}
	bisect(rest[:len(rest)/2], serve)
	bisect(rest[len(rest)/2:], serve)
}
