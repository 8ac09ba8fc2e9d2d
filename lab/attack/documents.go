package attack

import (
	"fmt"
	"strings"
	"time"

	"interlock/lab/load"
	"interlock/services/rail"
)

// The size of what is asked for. Each is chosen so that the document alone says nothing of it, or as large as a
// document may be: 500 selections.
const (
	party        = 9
	schemas      = 150
	idAliases    = 200
	idsPerAlias  = 100
	rootAliases  = 240
	threeAliases = 160
	types        = 160
	// doublings is how many fragments name the next one twice.
	doublings = 24
)

// variant is one way to make an attack.
type variant struct {
	name, document string
	variables      map[string]any
	// needsToken says that without a token little of it is executed.
	needsToken bool
}

// nested asks for an order's tickets, their order, its tickets, and so on.
func nested(levels int, order string) variant {
	var b strings.Builder
	b.WriteString("query($i:ID!){order(id:$i){id ")
	for range levels - 1 {
		b.WriteString("tickets{order{")
	}
	b.WriteString("tickets{id}")
	b.WriteString(strings.Repeat("}}", levels-1))
	b.WriteString("}}")
	return variant{fmt.Sprintf("%d levels", levels), b.String(), map[string]any{"i": order}, true}
}

// introspections asks for nearly the whole schema again and again.
func introspections() variant {
	var b strings.Builder
	b.WriteString("{")
	for n := range schemas {
		fmt.Fprintf(&b, "a%d:__schema{...S}", n)
	}
	b.WriteString("}fragment S on __Schema{types{kind name description fields{name description args{name " +
		"description}type{name kind}}" +
		"inputFields{name description}enumValues{name description}}}")
	return variant{name: "150 schemas", document: b.String()}
}

// ids asks for nodes of other people's orders.
func ids(orders []string) variant {
	all := make([]string, idsPerAlias)
	for n := range all {
		all[n] = orders[n%len(orders)]
	}
	return variant{
		"200 times 100 nodes", "query($i:[ID!]!){" + aliases(idAliases, "nodes(ids:$i){id}") + "}",
		map[string]any{"i": all},
		true,
	}
}

// roots asks for one root field as often as a document may.
func roots(order string, run *load.Run) []variant {
	from, to, date := load.StationCode(0), load.StationCode(load.Calls-1), run.RunID.Date().String()
	return []variant{
		{
			"240 orders", "query($i:ID!){" + aliases(rootAliases, "order(id:$i){id}") + "}",
			map[string]any{"i": order},
			true,
		},
		{
			"240 orders of nobody", "query($i:ID!){" + aliases(rootAliases, "order(id:$i){id}") + "}",
			map[string]any{"i": order},
			false,
		},
		{
			"240 errors", "query($i:ID!){" + aliases(rootAliases, "order(id:$i,number:\"ABCDEFGHJKMN\"){id}") + "}",
			map[string]any{"i": order},
			false,
		},
		{"160 lists of orders", "{viewer{" + aliases(threeAliases, "orders(first:100){nodes{id}}") + "}}", nil, true},
		{
			"160 searches", "query($f:[StationCode!]!,$t:[StationCode!]!,$d:Date!){" +
				aliases(threeAliases, "searchTickets(from:$f,to:$t,date:$d,first:100){nodes{version}}") + "}",
			map[string]any{"f": []string{from}, "t": []string{to}, "d": date},
			false,
		},
		{"160 lists of stations", "{" + aliases(threeAliases, "stations(first:100){nodes{id}}") + "}", nil, false},
		{
			"240 runs", "query($t:String!,$d:Date!){" + aliases(rootAliases, "run(train:$t,date:$d){id}") + "}",
			map[string]any{"t": strings.TrimSuffix(string(run.RunID), "@"+date), "d": date},
			false,
		},
		{"160 types", "{" + aliases(types, `__type(name:"Run"){fields{name}}`) + "}", nil, false},
	}
}

// How often a document may ask for each of these: once more, and it costs more than an operation may.
const (
	admittedOrders, admittedNodes, admittedOrderLists        = 49, 41, 41
	admittedSearches, admittedStationLists, admittedSeatRuns = 43, 71, 25
)

// admitted is what is not refused before it is executed, and costs nearly as much as an operation may. A page is as
// long as it can be.
func admitted(own string, others []string, runs []*load.Run) []variant {
	from, to, date := load.StationCode(0), load.StationCode(load.Calls-1), runs[0].RunID.Date().String()
	many := make([]string, admittedSeatRuns)
	for n := range many {
		many[n] = runs[n%len(runs)].ID
	}
	nodes := make([]string, idsPerAlias)
	for n := range nodes {
		nodes[n] = others[n%len(others)]
	}
	times := func(n int, what string) string { return fmt.Sprintf("%d %s", n, what) }
	return []variant{
		{
			times(admittedOrders, "orders"), "query($i:ID!){" + aliases(admittedOrders, "order(id:$i){id}") + "}",
			map[string]any{"i": own},
			true,
		},
		{times(admittedNodes, "times 100 nodes"), "query($i:[ID!]!){" + aliases(admittedNodes, "nodes(ids:$i){id}") +
			"}", map[string]any{"i": nodes}, true},
		{times(admittedOrderLists, "lists of orders"), "{viewer{" +
			aliases(admittedOrderLists, "orders(first:100){nodes{id}}") + "}}", nil, true},
		{
			times(admittedSearches, "searches"), "query($f:[StationCode!]!,$t:[StationCode!]!,$d:Date!){" +
				aliases(admittedSearches, "searchTickets(from:$f,to:$t,date:$d,first:100){nodes{version}}") + "}",
			map[string]any{"f": []string{from}, "t": []string{to}, "d": date},
			false,
		},
		{times(admittedStationLists, "lists of stations"), "{" +
			aliases(admittedStationLists, "stations(first:100){nodes{id}}") + "}", nil, false},
		{
			times(admittedSeatRuns, "trains' seats"),
			"query($i:[ID!]!){nodes(ids:$i){... on Run{coaches{seats{label position}}}}}",
			map[string]any{"i": many},
			false,
		},
	}
}

// wide asks for what is large in other ways.
func wide(run *load.Run) []variant {
	many := make([]string, 5_000)
	for n := range many {
		many[n] = run.ID
	}
	var fragments strings.Builder
	fragments.WriteString("{...F0}")
	for n := range doublings {
		fmt.Fprintf(&fragments, "fragment F%d on Query{...F%d ...F%d}", n, n+1, n+1)
	}
	fmt.Fprintf(&fragments, "fragment F%d on Query{__typename}", doublings)
	return []variant{
		{name: "fragments of fragments", document: fragments.String()},
		{
			"every seat of 100 runs", "query($i:[ID!]!){nodes(ids:$i){... on Run{coaches{seats{label position}}}}}",
			map[string]any{"i": many[:idsPerAlias]},
			false,
		},
		{"5,000 ids", "query($i:[ID!]!){nodes(ids:$i){id}}", map[string]any{"i": many}, false},
		{
			"a name of 200,000 letters", "query($t:String!,$d:Date!){run(train:$t,date:$d){id}}",
			map[string]any{"t": strings.Repeat("x", 200_000), "d": rail.DateIn(time.Now(), time.UTC).String()},
			false,
		},
	}
}

// aliases are so many answers of one field.
func aliases(many int, field string) string {
	var b strings.Builder
	for n := range many {
		fmt.Fprintf(&b, "a%d:%s ", n, field)
	}
	return b.String()
}
