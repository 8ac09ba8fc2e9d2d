package check

// Resources are what processes of one kind hold: 0 where that cannot be asked.
type Resources struct {
	Processes   string
	Goroutines  int
	Files       int
	Connections int
}

const (
	// grown is how much more than before may be held under the same load. Buyers keep connections to servers that they
	// asked earlier, too. A leak of something per request is hundreds.
	grown      = 1.25
	grownFixed = 12
)

// Returned is C9: under the same load as before the fault, processes hold about what they held before it. Both figures
// are the least within a moment, so that what comes and goes by itself does not count.
func Returned(before, after []Resources) *Result {
	r := begin("C9")
	then := map[string]Resources{}
	for _, b := range before {
		then[b.Processes] = b
	}
	for _, a := range after {
		b, ok := then[a.Processes]
		if !ok {
			continue
		}
		for _, one := range []struct {
			what    string
			was, is int
		}{
			{"goroutines", b.Goroutines, a.Goroutines},
			{"files", b.Files, a.Files},
			{"connections", b.Connections, a.Connections},
		} {
			if one.was == 0 && one.is == 0 {
				continue
			}
			r.Looked++
			r.figure(a.Processes+": "+one.what+" before", float64(one.was))
			r.figure(a.Processes+": "+one.what+" after", float64(one.is))
			if float64(one.is) > grown*float64(one.was)+grownFixed {
				r.wrong("%s have %d %s, and had %d before", a.Processes, one.is, one.what, one.was)
			}
		}
	}
	for _, b := range before {
		if !has(after, b.Processes) {
			r.wrong("%s do not say what they hold", b.Processes)
		}
	}
	return r
}

func has(all []Resources, processes string) bool {
	for _, one := range all {
		if one.Processes == processes {
			return true
		}
	}
	return false
}
