package publish_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/publish"
	"interlock/services/publish/gtfs"
	"interlock/services/rail"
)

const goodTemplates = `currency: CNY
round_to: 0.50
kinds:
  G:
    coaches:
      - numbers: 1
        class: FIRST
        rows: { letters: "AC DF", first: 1, last: 2, without: [1F] }
      - numbers: 2-4
        class: SECOND
        rows: { letters: "ABC DF", first: 1, last: 3 }
    fares:
      - { class: FIRST, per_km: 0.736, minimum: 12 }
      - { class: SECOND, per_km: "0.46" }
  Nachtzug:
    coaches:
      - numbers: 261
        class: SOFT_SLEEPER
        berths: { tiers: [LOWER_BERTH, UPPER_BERTH], first: 1, last: 2 }
    fares: &flat
      - { class: SOFT_SLEEPER, per_km: 0, minimum: 99.90 }
  type:102:
    coaches:
      - numbers: A1
        class: SOFT_SLEEPER
        rows: { letters: A, first: 1, last: 1 }
    fares: *flat
`

func parse(t *testing.T, text string) *publish.Templates {
	t.Helper()
	templates, err := publish.ParseTemplates("coaches.yaml", []byte(text))
	require.NoError(t, err)
	return templates
}

func trip(number, short, long, desc string, kind int) *gtfs.Trip {
	return &gtfs.Trip{Number: number, Route: &gtfs.Route{ShortName: short, LongName: long, Desc: desc, Type: kind}}
}

func TestParseTemplates_CoachesAndFares(t *testing.T) {
	kind, g := parse(t, goodTemplates).Of(trip("G1", "G", "", "", 101))
	require.Equal(t, "G", kind)
	var numbers, firsts []string
	for _, coach := range g.Formation.Coaches {
		numbers = append(numbers, coach.Number)
	}
	for _, seat := range g.Formation.Coaches[0].Seats {
		firsts = append(firsts, seat.Label)
	}
	require.Equal(t, []string{"1", "2", "3", "4"}, numbers)
	require.Equal(t, []string{"1A", "1C", "1D", "2A", "2C", "2D", "2F"}, firsts)
	require.Len(t, g.Formation.Seats(rail.Second), 45)
	require.Equal(t, &rail.Fares{Currency: "CNY", RoundToMinor: 50, PerKm: []rail.KmRate{
		{SeatClass: rail.First, MicrosPerKm: 73_600_000, MinimumMinor: 1_200},
		{SeatClass: rail.Second, MicrosPerKm: 46_000_000},
	}}, g.Fares)
	_, night := parse(t, goodTemplates).Of(trip("7", "Nachtzug", "", "", 105))
	require.Equal(t, []rail.Seat{
		{Label: "1L", Position: rail.LowerBerth},
		{Label: "1U", Position: rail.UpperBerth},
		{Label: "2L", Position: rail.LowerBerth},
		{Label: "2U", Position: rail.UpperBerth},
	},
		night.Formation.Coaches[0].Seats)
	require.EqualValues(t, 9_990, night.Fares.PerKm[0].MinimumMinor)
}

func TestTemplates_HowAKindIsFound(t *testing.T) {
	templates := parse(t, goodTemplates)
	_, g := templates.Of(trip("G1", "G", "", "", 101))
	_, night := templates.Of(trip("7", "Nachtzug", "", "", 105))
	_, byType := templates.Of(trip("7", "", "", "", 102))
	require.NotNil(t, byType)
	for name, c := range map[string]struct {
		trip     *gtfs.Trip
		kind     string
		template *publish.Template
	}{
		"the short name goes before all":   {trip("G1", "Nachtzug", "G", "G", 102), "Nachtzug", night},
		"the description":                  {trip("G1", "R7", "G", "Nachtzug", 102), "Nachtzug", night},
		"the long name":                    {trip("G1", "R7", "Nachtzug", "", 102), "Nachtzug", night},
		"the letters of the number":        {trip("G1", "R7", "A – B", "", 102), "G", g},
		"all of a number that is letters":  {trip("Nachtzug", "", "", "", 102), "Nachtzug", night},
		"the type":                         {trip("7", "R7", "A – B", "", 102), "R7", byType},
		"letters are compared as they are": {trip("g1", "", "", "", 102), "", byType},
		"none":                             {trip("7", "R7", "", "", 3), "R7", nil},
		"a kind that is a novel":           {trip("7", strings.Repeat("x", 65), "", "", 102), "", byType},
	} {
		t.Run(name, func(t *testing.T) {
			kind, template := templates.Of(c.trip)
			require.Equal(t, c.kind, kind)
			require.Same(t, c.template, template)
		})
	}
}

func TestTemplates_Default(t *testing.T) {
	templates := parse(t, `currency: EUR
default:
  coaches: [{ numbers: 1, class: STANDARD, rows: { letters: "AB CD", first: 1, last: 1 } }]
  fares: [{ class: STANDARD, per_km: 0.20 }]
`)
	kind, template := templates.Of(trip("7", "R7", "", "", 3))
	require.Equal(t, "R7", kind)
	require.Len(t, template.Formation.Seats(rail.Standard), 4)
	require.EqualValues(t, "EUR", template.Fares.Currency)
}

func TestParseTemplates_RefusedWithTheLine(t *testing.T) {
	replace := func(old, new string) string {
		require.Contains(t, goodTemplates, old)
		return strings.Replace(goodTemplates, old, new, 1)
	}
	for name, c := range map[string]struct{ text, want string }{
		"nothing":            {"", "coaches.yaml: the file has neither kinds nor a default"},
		"not YAML":           {"kinds: [", "coaches.yaml:1: "},
		"an unknown field":   {replace("round_to", "roundto"), `coaches.yaml:2: unknown field "roundto"`},
		"a kind twice":       {replace("Nachtzug:", "G:"), `coaches.yaml:15: mapping key "G" already defined`},
		"a kind in two ways": {replace("Nachtzug:", `"G\u00a0":`), `coaches.yaml:15: the kind "G" is there twice`},
		"a second document": {
			goodTemplates + "---\ncurrency: EUR\n",
			"coaches.yaml: the file has more than one document",
		},
		"no currency":           {replace("CNY", "yuan"), `coaches.yaml:1: currency: "yuan"`},
		"a currency of a list":  {replace("CNY", "[CNY]"), "coaches.yaml:1: "},
		"rounds to thousandths": {replace("0.50", "0.505"), "coaches.yaml:2: round_to"},
		"no coaches": {
			"currency: CNY\nkinds:\n  X:\n    fares: []\n",
			"coaches.yaml:3: kinds X has no coaches",
		},
		"nothing of a kind":      {"currency: CNY\nkinds:\n  X:\n", "coaches.yaml:3: X is to be filled in"},
		"nothing of the default": {"currency: CNY\ndefault: {}\n", "coaches.yaml:2: default has no coaches"},
		"skipped, with coaches": {
			replace("  G:\n", "  G:\n    skip: true\n"), "coaches.yaml:4: kinds G is skipped, and has coaches or fares",
		},
		"no such class": {
			replace("class: FIRST\n", "class: BEST\n"),
			`coaches.yaml:7: "BEST" is not a seat class`,
		},
		"no numbers":            {replace("numbers: 1\n", "numbers:\n"), "coaches.yaml:6: numbers is to be filled in"},
		"numbers backwards":     {replace("2-4", "4-2"), `coaches.yaml:9: numbers "4-2"`},
		"a thousand coaches":    {replace("2-4", "2-1001"), `coaches.yaml:9: numbers "2-1001"`},
		"a coach twice":         {replace("2-4", "1-4"), `coaches.yaml:9: coach "1" is there twice`},
		"a row that is no word": {replace("last: 2", "last: two"), "coaches.yaml:8: "},
		"rows backwards":        {replace("first: 1, last: 3", "first: 3, last: 1"), "coaches.yaml:11: rows run from"},
		"letters that are none": {
			replace("ABC DF", "A1 DF"),
			`coaches.yaml:11: character 2 of the letters of a row is U+0031, which is no letter`,
		},
		"neither rows nor bays": {
			replace(`        rows: { letters: "ABC DF", first: 1, last: 3 }`+"\n", ""),
			"coaches.yaml:9: a coach has rows or berths",
		},
		"no such berth":         {replace("UPPER_BERTH", "ROOF"), "coaches.yaml:19: roof"},
		"no price":              {replace("per_km: 0.736, ", ""), "coaches.yaml:13: per_km"},
		"a price below nothing": {replace("0.736", "-0.736"), "coaches.yaml:13: per_km"},
		"a class twice":         {replace(`SECOND, per_km: "0.46"`, `FIRST, per_km: "0.46"`), "coaches.yaml:14: "},
		"a fare for no class":   {replace(`{ class: SECOND, per_km`, `{ class: WORST, per_km`), "coaches.yaml:14: "},
		"a class without a fare": {
			replace(`      - { class: SECOND, per_km: "0.46" }`+"\n", ""),
			"coaches.yaml:4: kinds G has SECOND seats and no fare",
		},
		"a minimum of nonsense": {replace("minimum: 12", "minimum: 12.345"), "coaches.yaml:13: minimum"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := publish.ParseTemplates("coaches.yaml", []byte(c.text))
			require.Equal(t, rail.Invalid, rail.CodeOf(err))
			require.Contains(t, strings.TrimPrefix(refusals(t, err)[0], "INVALID  "), c.want)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestParseTemplates_AFileOfAGigabyteIsNotParsed(t *testing.T) {
	_, err := publish.ParseTemplates("coaches.yaml", make([]byte, 2<<20))
	require.ErrorContains(t, err, "longer than")
}

// What a few kilobytes of YAML can ask of a parser: each is refused by its line, before it has taken much.
func TestParseTemplates_Bombs(t *testing.T) {
	const n = 120 << 10
	upTo := func(text string, row func(i int) string) string {
		var all strings.Builder
		all.WriteString(text)
		for i := 0; all.Len() < n; i++ {
			all.WriteString(row(i))
		}
		return all.String()
	}
	const coach = "{ numbers: 1-64, class: SECOND, rows: { letters: ABCDEFGHIJKLMNOP, first: 1, last: 64 } }"
	const fares = "\n    fares: [{ class: SECOND, per_km: 1 }]\n"
	oneCoach := func(rows string) string {
		return "currency: CNY\nkinds:\n  k:\n    coaches:\n" +
			"      - { numbers: 1, class: SECOND, rows: { letters: " + rows + " } }" + fares
	}
	for name, c := range map[string]struct{ text, want string }{
		"brackets": {
			strings.Repeat("[", n),
			"coaches.yaml:1: lists and mappings are nested more than 16 deep",
		},
		"brackets over lines": {
			strings.Repeat("[\n", n/2),
			"coaches.yaml:17: lists and mappings are nested more than 16 deep",
		},
		"braces": {
			strings.Repeat("{", n),
			"coaches.yaml:1: lists and mappings are nested more than 16 deep",
		},
		"dashes": {
			strings.Repeat("- ", n/2),
			"coaches.yaml:1: lists and mappings are nested more than 16 deep",
		},
		"question marks": {
			strings.Repeat("? ", n/2),
			"coaches.yaml:1: lists and mappings are nested more than 16 deep",
		},
		"anchors": {
			strings.Repeat("&a ", n/3),
			"coaches.yaml:1: lists and mappings are nested more than 16 deep",
		},
		"tags": {
			strings.Repeat("!!str ", n/6),
			"coaches.yaml:1: lists and mappings are nested more than 16 deep",
		},
		"indentation": {
			func() string {
				var all strings.Builder
				for i := range 400 {
					all.WriteString(strings.Repeat(" ", i) + "a:\n")
				}
				return all.String()
			}(), "coaches.yaml:201: the line is indented by more than 200 characters",
		},
		"aliases": {
			upTo("currency: CNY\nkinds:\n  k: &k\n    coaches: ["+strings.Repeat(coach+",", 100)+"]"+fares,
				func(i int) string { return fmt.Sprintf("  k%d: *k\n", i) }),
			"coaches.yaml: the file has more than 65536 values",
		},
		"aliases of aliases": {
			"currency: CNY\nkinds:\n  a:\n" +
				"    coaches: &a [" + strings.Repeat("&c "+coach+",", 1) + strings.Repeat("*c,", 500) + "]" + fares +
				upTo("", func(i int) string { return fmt.Sprintf("  b%d:\n    coaches: *a\n", i) })[:30_000] + "\n",
			"coaches.yaml: the file has more than 65536 values",
		},
		"coaches": {
			upTo("currency: CNY\nkinds:\n  k:\n    coaches:\n", func(int) string {
				return "      - " + coach + "\n"
			}) + fares, "coaches.yaml:6: a train has at most 64 coaches",
		},
		"seats": {
			upTo("currency: CNY\nkinds:\n", func(i int) string {
				return fmt.Sprintf("  k%d:\n    coaches:\n"+
					"      - { numbers: 1-8, class: SECOND, rows: { letters: ABCDEFGHIJKLMNOP, first: 1, last: 64 } "+
					"}%s", i, fares)
			}), "the kinds up to here have more than 500000 seats together",
		},
		"rows": {oneCoach("AB, first: 1, last: 2000000000"), "coaches.yaml:5: rows run from 1 to at most 999"},
		"wide rows": {
			oneCoach("ABCDEFGHIJKLMNOP, first: 1, last: 999"),
			"coaches.yaml:5: a coach has at most 1024 seats",
		},
		"huge number": {oneCoach("AB, first: 1, last: 99999999999999999999"), "coaches.yaml:5: "},
		"labels": {
			upTo("currency: CNY\nkinds:\n  k:\n    coaches:\n"+
				"      - { numbers: 1, class: SECOND, rows: { letters: AB, first: 1, last: 3, without: [",
				func(int) string { return "1A," }) + "] } }" + fares,
			"coaches.yaml:5: a coach leaves out at most 1024 labels",
		},
		"too long": {strings.Repeat("#\n", 70_000), "coaches.yaml: the file is longer than 131072 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := publish.ParseTemplates("coaches.yaml", []byte(c.text))
			require.Equal(t, rail.Invalid, rail.CodeOf(err))
			require.ErrorContains(t, err, c.want)
		})
	}
}

// A file without an end is read as far as a file may be long.
func TestReadTemplates_WithoutAnEnd(t *testing.T) {
	_, err := publish.ReadTemplates("coaches.yaml", endless{})
	require.ErrorContains(t, err, "coaches.yaml: the file is longer than 131072 bytes")
	templates, err := publish.ReadTemplates("coaches.yaml", strings.NewReader(goodTemplates))
	require.NoError(t, err)
	require.NotNil(t, templates)
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func FuzzParseTemplates(f *testing.F) {
	f.Add([]byte(goodTemplates))
	f.Fuzz(func(t *testing.T, data []byte) {
		templates, err := publish.ParseTemplates("coaches.yaml", data)
		if err == nil && templates == nil || err != nil && rail.CodeOf(err) != rail.Invalid {
			t.Fatalf("neither templates nor a refusal: %v", err)
		}
	})
}
