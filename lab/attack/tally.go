package attack

import (
	"maps"
	"slices"
	"sync"
)

// What an attacker hears besides the codes of refusals.
const (
	// answered says that the attacker got what was asked for.
	answered = "answered"
	// hungUp says that the attacker went away.
	hungUp = "hung up"
	// leftAlone says that a connection without a whole request was ended. No answer is owed on it.
	leftAlone = "ended"
)

// tally is what the attackers of one attack were told.
type tally struct {
	mu          sync.Mutex
	requests    int
	told        map[string]map[string]int
	unexplained map[string]int
	found       []string
}

const (
	// maxUnexplained bounds the kinds of silence that are remembered, maxFound the things that an attack must not get:
	// the first few explain the rest.
	maxUnexplained = 20
	maxFound       = 20
)

func newTally() *tally {
	return &tally{told: map[string]map[string]int{}, unexplained: map[string]int{}}
}

// ask counts a request: a question, a message on a socket, or a connection that was opened to send nothing.
func (t *tally) ask() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests++
}

// hear counts what the attacker of a variant was told: answered, or the code of a refusal.
func (t *tally) hear(variant, what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.told[variant] == nil {
		t.told[variant] = map[string]int{}
	}
	t.told[variant][what]++
}

// miss counts an attacker of a variant that was told nothing, or no reason.
func (t *tally) miss(variant, what string) {
	what = variant + ": " + what
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.unexplained[what]; known || len(t.unexplained) < maxUnexplained {
		t.unexplained[what]++
	}
}

// hears counts a reply.
func (t *tally) hears(variant string, r reply) {
	if r.silent {
		t.miss(variant, r.text)
		return
	}
	t.hear(variant, r.text)
}

// find notes what an attack got and must not get.
func (t *tally) find(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.found) < maxFound {
		t.found = append(t.found, what)
	}
}

// whoHeard are the variants that were told something.
func (t *tally) whoHeard(what string) (variants []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for variant, told := range t.told {
		if told[what] > 0 {
			variants = append(variants, variant)
		}
	}
	slices.Sort(variants)
	return variants
}

func (t *tally) asked() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.requests
}

// into fills in a round once no attacker is left.
func (t *tally) into(r *Round) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r.Told, r.Unexplained, r.Found = maps.Clone(t.told), maps.Clone(t.unexplained), t.found
}

// reply is what one question came to.
type reply struct {
	// text is answered, a code, or, where the server was silent, in what way.
	text   string
	silent bool
}

func silence(text string) reply { return reply{text: text, silent: true} }
