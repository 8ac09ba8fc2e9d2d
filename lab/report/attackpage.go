package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"

	"interlock/lab/attack"
)

//go:embed attacks.md.tmpl
var attacksText string

// attacksPath is the page about attacks.
const attacksPath = "attacks.md"

// attacksPage is the page about attacks: one of its own, since it has other buyers and another measure than all the
// rest.
func (in *Input) attacksPage() ([]byte, error) {
	t, err := template.New(attacksPath).Funcs(template.FuncMap{
		"count": count[int], "number": number, "ratio": ratio, "memory": memory, "versions": versions,
		"attacks": in.attacksTable, "told": in.toldList, "starts": in.startsList,
	}).Parse(attacksText)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, in.Attack); err != nil {
		return nil, err
	}
	return []byte(fill(b.String())), nil
}

func (in *Input) attacksTable() string {
	t := newTable(2, "attack", "", "requests/s", "p99 ms", "static p99 ms", "ratio", "orders/s", "growth MB",
		"server", "lab")
	for _, o := range in.Attack.Attacks {
		for n, r := range o.Rounds {
			verdict := ""
			if n == len(o.Rounds)-1 {
				verdict = "withstood"
				if !o.OK {
					verdict = "**not withstood**"
				}
			}
			t.add("`"+o.Name+"`", verdict, number(r.Attack.RequestsPerSecond), number(r.Attack.Buyers.P99Milliseconds),
				number(r.Static.Buyers.P99Milliseconds),
				ratio(r.Ratio), number(r.Attack.Buyers.OrdersPerSecond), number(r.GrowthMegabytes),
				percent(r.Attack.ServerShare), percent(r.Attack.LabShare))
		}
	}
	return t.String()
}

func (in *Input) toldList() string {
	var b strings.Builder
	for _, o := range in.Attack.Attacks {
		fmt.Fprintf(&b, "- `%s`: %s; %s connections, at most %s requests a second.\n", o.Name, o.What,
			count(o.Connections), number(o.MaxPerSecond))
		last := o.Rounds[len(o.Rounds)-1]
		for _, variant := range slices.Sorted(maps.Keys(last.Told)) {
			one := map[string]map[string]int{variant: last.Told[variant]}
			fmt.Fprintf(&b, "  - %s: %s\n", variant, attack.Told(one))
		}
		for _, failure := range slices.Concat(o.Wrong, o.Slow) {
			fmt.Fprintf(&b, "  - **wrong**: %s\n", failure)
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func (in *Input) startsList() string {
	var b strings.Builder
	for _, s := range in.Attack.Starts {
		verdict := "does not start"
		if !s.Refused {
			verdict = "**starts**"
		}
		fmt.Fprintf(&b, "- `%s` in the DSN: the server %s: %s\n", s.Parameter, verdict, s.Said)
	}
	return strings.TrimSuffix(b.String(), "\n")
}
