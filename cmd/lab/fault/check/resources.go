package check

import "fmt"

// Resources are what one process holds: 0 where that cannot be asked.
type Resources struct {
	Process     string
	Goroutines  int
	Files       int
	Connections int
}

const (
	// grown is how much more than before a process may hold under the same load: pools fill and empty by chance, a leak of
	// something per request is hundreds.
	grown      = 1.5
	grownFixed = 60
)

// Returned is C9: under the same load as before the fault, each process holds about what it held before it.
func Returned(before, after []Resources) *Result {
	r := begin("C9")
	then := map[string]Resources{}
	for _, b := range before {
		then[b.Process] = b
	}
	for _, a := range after {
		b, ok := then[a.Process]
		if !ok {
			continue
		}
		for _, one := range []struct {
			what    string
			was, is int
		}{
			{"goroutines", b.Goroutines, a.Goroutines}, {"files", b.Files, a.Files}, {"connections", b.Connections, a.Connections},
		} {
			if one.was == 0 && one.is == 0 {
				continue
			}
			r.Looked++
			if float64(one.is) > grown*float64(one.was)+grownFixed {
				r.wrong("%s has %d %s, and had %d before", a.Process, one.is, one.what, one.was)
			}
		}
	}
	for _, b := range before {
		if !has(after, b.Process) {
			r.wrong("%s does not say what it holds", b.Process)
		}
	}
	return r
}

func has(all []Resources, process string) bool {
	for _, one := range all {
		if one.Process == process {
			return true
		}
	}
	return false
}

// String is for logs.
func (r Resources) String() string {
	return fmt.Sprintf("%s: %d goroutines, %d files, %d connections", r.Process, r.Goroutines, r.Files, r.Connections)
}
