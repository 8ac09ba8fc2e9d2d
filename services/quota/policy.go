package quota

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Kind is what an operation is for.
type Kind string

// The kinds.
const (
	Buying        Kind = "buying"
	Paying        Kind = "paying"
	Searching     Kind = "searching"
	Watching      Kind = "watching"
	Administering Kind = "administering"
)

// Kinds are all of them.
var Kinds = []Kind{Buying, Paying, Searching, Watching, Administering}

// Names are what can refuse: the kinds, and the buckets besides.
var Names = func() []string {
	var names []string
	for _, kind := range Kinds {
		names = append(names, string(kind))
	}
	return append(names, document, selling)
}()

const document, selling = "document", "selling"

// shared tells whether a kind is asked of the store each time. The others read, and take from a lease.
func (k Kind) shared() bool { return k == Buying || k == Paying || k == Administering }

// Policy is how much of what a client may do, and how much the railway sells.
type Policy struct {
	// Account is for clients who are known, Address for the others, by a network of theirs.
	Account, Address map[Kind]Rate
	// Document is how often one number of a document may be bought for.
	Document Rate
	// Selling is how many orders are placed, over all clients.
	Selling Rate
}

// Default is what no person notices. An address may be that of a whole house, or of a mobile network.
func Default() Policy {
	rate := func(text string) Rate {
		r, err := ParseRate(text)
		if err != nil {
			panic(err) // those below can be read
		}
		return r
	}
	return Policy{
		Account: map[Kind]Rate{
			Buying: rate("2/1s:20"), Paying: rate("5/1s:30"), Searching: rate("20/1s:60"), Watching: rate("5/1s:50"),
			Administering: rate("50/1s:200"),
		},
		Address: map[Kind]Rate{
			Buying: rate("20/1s:100"), Paying: rate("20/1s:100"), Searching: rate("200/1s:600"), Watching: rate("50/1s:500"),
			Administering: rate("20/1s:100"),
		},
		Document: rate("1/1s:10"),
	}
}

// places are where a policy has its rates, by their names.
func (p *Policy) places() map[string]func(Rate) {
	all := map[string]func(Rate){
		document: func(r Rate) { p.Document = r },
		selling:  func(r Rate) { p.Selling = r },
	}
	for _, kind := range Kinds {
		all[string(kind)+".account"] = func(r Rate) { p.Account[kind] = r }
		all[string(kind)+".address"] = func(r Rate) { p.Address[kind] = r }
	}
	return all
}

// Unbounded tells whether nothing is bounded.
func (p *Policy) Unbounded() bool {
	for _, rates := range []map[Kind]Rate{p.Account, p.Address} {
		for _, r := range rates {
			if !r.Unbounded() {
				return false
			}
		}
	}
	return p.Document.Unbounded() && p.Selling.Unbounded()
}

// Off bounds nothing.
func Off() Policy { return Policy{Account: map[Kind]Rate{}, Address: map[Kind]Rate{}} }

// Parse changes the default by texts such as "buying.account=2/1s:20". "off" alone bounds nothing.
func Parse(texts []string) (Policy, error) {
	if len(texts) == 1 && texts[0] == off {
		return Off(), nil
	}
	p := Default()
	places := p.places()
	for _, text := range texts {
		name, value, _ := strings.Cut(text, "=")
		set, ok := places[name]
		if !ok {
			return Policy{}, fmt.Errorf("there is no quota %q: there are %s, or off alone", name,
				strings.Join(slices.Sorted(maps.Keys(places)), ", "))
		}
		r, err := ParseRate(value)
		if err != nil {
			return Policy{}, fmt.Errorf("%s: %w", name, err)
		}
		set(r)
	}
	return p, nil
}
