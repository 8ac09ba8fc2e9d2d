package publish_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/unicode"

	"interlock/services/publish"
	"interlock/services/rail"
)

// fareTemplates have one kind, with the fares of its only class.
func fareTemplates(fares string) string {
	return `currency: EUR
round_to: 0.10
kinds:
  IC:
    coaches: [{ numbers: 1, class: STANDARD, rows: { letters: "AB CD", first: 1, last: 10 } }]
    fares: [` + fares + `]
  Night:
    coaches: [{ numbers: 1, class: OTHER, rows: { letters: "AB", first: 1, last: 10 } }]
    fares: [{ class: OTHER, flat: 9.90 }]
`
}

// readTemplates reads templates with a table fares.csv beside them; "" is no table.
func readTemplates(t *testing.T, yaml, table string) (*publish.Templates, string, error) {
	t.Helper()
	folder := t.TempDir()
	if table != "" {
		require.NoError(t, os.WriteFile(filepath.Join(folder, "fares.csv"), []byte(table), 0o600))
	}
	templates, err := publish.ReadTemplates(filepath.Join(folder, "templates.yaml"), strings.NewReader(yaml))
	return templates, folder + string(filepath.Separator), err
}

// imported is an import of a week of the small feed with templates, and the prices of its first train from Alpha to
// Beta, from Alpha to Gamma and from Beta to Gamma.
func imported(t *testing.T, templates *publish.Templates, changes map[string]string) (
	prices string, findings *publish.Findings, err error,
) {
	t.Helper()
	h := newHouse(t)
	request := importRequest(t, changes)
	request.Templates, request.Findings, request.Strict = templates, &publish.Findings{}, true
	if _, err = h.Import(t.Context(), request); err != nil {
		return "", nil, err
	}
	run, ok := h.timetable.Run("A%20201@2026-03-02")
	require.True(t, ok)
	var all []string
	for _, pair := range [][2]int{{0, 1}, {0, 2}, {1, 2}} {
		price, ok := run.Train.Price(rail.Standard, pair[0], pair[1])
		require.True(t, ok)
		all = append(all, price.Amount())
	}
	return strings.Join(all, " "), request.Findings, nil
}

func utf16(t *testing.T, text string) string {
	t.Helper()
	encoded, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(text)
	require.NoError(t, err)
	return encoded
}

// Alpha to Beta, Alpha to Gamma, Beta to Gamma: 1 km is 0.20, and the stations are about 70 km apart.
func TestImport_Fares(t *testing.T) {
	const byTable = `{ class: STANDARD, pairs: fares.csv }`
	for name, c := range map[string]struct{ fares, table, want string }{
		"flat":          {`{ class: STANDARD, flat: 2.55 }`, "", "2.55 2.55 2.55"},
		"free":          {`{ class: STANDARD, free: true }`, "", "0.00 0.00 0.00"},
		"flat and free": {`{ class: STANDARD, flat: 0.00, free: true }`, "", "0.00 0.00 0.00"},
		"per km, free on short ways": {
			`{ class: STANDARD, per_km: 0.0004, free: true }`, "", "0.00 0.10 0.00",
		},
		"a rounded minimum": {`{ class: STANDARD, per_km: 0.0004, minimum: 0.26 }`, "", "0.30 0.30 0.30"},
		"by pair": {
			byTable, "from,to,amount\na,b,1.50\na,c,2.75\nb,c,1.25\n", "1.50 2.75 1.25",
		},
		"as a German spreadsheet writes it": {
			byTable, "\ufeffFrom;To;Amount;;\r\na;b;1,50;;\r\n;;;;\r\na;c;2,75;;\r\nb;c;1,25;;\r\n", "1.50 2.75 1.25",
		},
		"with its separator named": {
			byTable, "sep=;\nfrom;to;amount\na;b;1,50\na;c;2,75\nb;c;1,25\n", "1.50 2.75 1.25",
		},
		"as Unicode text": {
			byTable, utf16(t, "from\tto\tamount\r\na\tb\t1,50\r\na\tc\t2,75\r\nb\tc\t1,25\r\n"), "1.50 2.75 1.25",
		},
		"by names, in any case": {
			byTable, "amount,from,to\n1.5,Alpha,BETA\n2.75,alpha,\" Gamma \"\n1.25,b,gamma\n", "1.50 2.75 1.25",
		},
		"the way back": {
			byTable, "from,to,amount\nb,a,1.50\nc,a,2.75\nc,b,1.25\n", "1.50 2.75 1.25",
		},
		"a way back of its own": {
			byTable, "from,to,amount,direction\nb,a,9,\na,b,1.50,\na,c,2.75,one\nc,b,1.25,both\n", "1.50 2.75 1.25",
		},
		"flat where the table has none": {
			`{ class: STANDARD, pairs: fares.csv, flat: 7 }`, "from,to,amount,direction\nb,a,9,one\na,c,2.75,one\n",
			"7.00 2.75 7.00",
		},
		"per km where the table has none": {
			`{ class: STANDARD, pairs: fares.csv, per_km: 0.0001, minimum: 3 }`, "from,to,amount\na,c,2.75\n",
			"3.00 2.75 3.00",
		},
		"its class alone": {
			byTable, "class,from,to,amount\nFIRST,a,b,9\nstandard,a,b,1.5\nSTANDARD,a,c,2.75\nSTANDARD,b,c,1.25\n",
			"1.50 2.75 1.25",
		},
		"free by pair": {
			`{ class: STANDARD, pairs: fares.csv, flat: 7, free: true }`, "from,to,amount\na,b,0\n", "0.00 7.00 7.00",
		},
		"the same fare twice": {
			byTable, "from,to,amount\na,b,1.50\nAlpha,Beta,1.50\na,c,2.75\nc,a,2.75\nb,c,1.25\n", "1.50 2.75 1.25",
		},
	} {
		t.Run(name, func(t *testing.T) {
			templates, _, err := readTemplates(t, fareTemplates(c.fares), c.table)
			require.NoError(t, err)
			prices, _, err := imported(t, templates, nil)
			require.NoError(t, err)
			require.Equal(t, c.want, prices)
		})
	}
}

// A mistake is found with its file and line before the feed is read.
func TestReadTemplates_FaresRefused(t *testing.T) {
	const byTable = `{ class: STANDARD, pairs: fares.csv }`
	head := "from,to,amount\n"
	for name, c := range map[string]struct{ fares, table, want string }{
		"nothing":               {`{ class: STANDARD }`, "", "templates.yaml:6: per_km, flat or pairs"},
		"0.00 by mistake":       {`{ class: STANDARD, flat: 0.00 }`, "", "templates.yaml:6: a fare of 0.00 needs free: true"},
		"0 per km":              {`{ class: STANDARD, per_km: 0 }`, "", "templates.yaml:6: a price of 0.00 per kilometre"},
		"flat and per km":       {`{ class: STANDARD, flat: 1, per_km: 1 }`, "", "templates.yaml:6: per_km and flat"},
		"a minimum of nothing":  {`{ class: STANDARD, flat: 1, minimum: 1 }`, "", "templates.yaml:6: minimum"},
		"an amount of a word":   {`{ class: STANDARD, flat: cheap }`, "", "templates.yaml:6: flat: \"cheap\" is not"},
		"a class twice":         {`{ class: STANDARD, flat: 1 }, { class: STANDARD, flat: 1 }`, "", "templates.yaml:6: "},
		"free of what":          {`{ class: STANDARD, flat: 1, free: perhaps }`, "", "templates.yaml:6: "},
		"no file":               {byTable, "", "templates.yaml:6: pairs: "},
		"a folder":              {`{ class: STANDARD, pairs: . }`, "", "is no plain file"},
		"an empty file":         {byTable, "\n", "fares.csv: the file is empty"},
		"another class's":       {byTable, "from,to,amount,class\na,b,1,FIRST\n", "templates.yaml:6: pairs: "},
		"no column":             {byTable, "from,amount\n", "fares.csv:1: there is no column to"},
		"an unknown column":     {byTable, "from,to,amount,prize\n", `fares.csv:1: "prize" is no column`},
		"a column twice":        {byTable, "from,to,amount,TO\n", "fares.csv:1: the column to is there twice"},
		"no station":            {byTable, head + "a,,1\n", "fares.csv:2: the row has no to"},
		"a short row":           {byTable, head + "a\n", "fares.csv:2: the row has no to"},
		"no amount":             {byTable, head + "a,b\n", "fares.csv:2: amount: "},
		"a negative amount":     {byTable, head + "a,b,-1\n", `fares.csv:2: amount: "-1"`},
		"too many digits":       {byTable, head + "a,b,1.999\n", "fares.csv:2: amount: "},
		"thousands":             {byTable, head + "a,b,\"1,000.00\"\n", `fares.csv:2: amount: "1,000.00"`},
		"an unknown class":      {byTable, "from,to,amount,class\na,b,1,THIRD\n", `fares.csv:2: "THIRD" is not a seat class`},
		"an unknown direction":  {byTable, "from,to,amount,direction\na,b,1,up\n", "fares.csv:2: direction is both or one"},
		"0.00 in the table":     {byTable, head + "a,b,1\nb,c,0,00\nb,c,0\n", "fares.csv:3: a fare of 0.00 needs free: true"},
		"a quote that is open":  {byTable, head + "a,\"b,1\n", "fares.csv:2: "},
		"in another encoding":   {byTable, head + "a,b,1\nZ\xfcrich,b,1\n", "fares.csv: line 3 is not UTF-8"},
		"two defects":           {byTable, head + "a,b,x\na,c,y\n", `fares.csv:3: amount: "y"`},
		"a defect after a note": {byTable, head + "\"a\nb\",c,1\na,c,y\n", "fares.csv:4: amount"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := readTemplates(t, fareTemplates(c.fares), c.table)
			require.Equal(t, rail.Invalid, rail.CodeOf(err))
			require.Contains(t, everyMessage(err), c.want)
		})
	}
}

// everyMessage has all that is wrong, where an error's own text has the first of it.
func everyMessage(err error) string {
	var several rail.Errors
	if !errors.As(err, &several) {
		return err.Error()
	}
	all := ""
	for _, one := range several {
		all += one.Message + "\n"
	}
	return all
}

// Some mistakes show only beside the feed. Nothing is written then.
func TestImport_FaresRefused(t *testing.T) {
	twins := map[string]string{
		"stops.txt": "stop_id,stop_name,stop_lat,stop_lon\na,Alpha,53,-6\nb,Beta,53,-7\nc,beta,53,-8\n",
	}
	for name, c := range map[string]struct {
		table   string
		changes map[string]string
		want    string
	}{
		"no fare for a pair": {"from,to,amount\na,b,1\nb,c,1\n", nil, "no fare for STANDARD from a to c"},
		"two fares for a pair": {
			"from,to,amount\na,b,1\na,c,1\nb,c,1\nAlpha,Beta,2\n", nil,
			"fares.csv:5: line 2 has another fare for the same stations and class",
		},
		"a station and itself": {"from,to,amount\na,Alpha,1\n", nil, "fares.csv:2: from and to are the same station"},
		"two stations of a name": {
			"from,to,amount\na,Beta,1\n", twins, "fares.csv:2: several stations are called \"Beta\"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			templates, _, err := readTemplates(t, fareTemplates(`{ class: STANDARD, pairs: fares.csv }`), c.table)
			require.NoError(t, err)
			_, _, err = imported(t, templates, c.changes)
			require.Equal(t, rail.Invalid, rail.CodeOf(err))
			require.ErrorContains(t, err, c.want)
		})
	}
	templates, _, err := readTemplates(t, fareTemplates(`{ class: STANDARD, pairs: fares.csv }`),
		"from,to,amount\na,b,1\na,c,1\nb,c,1\n")
	require.NoError(t, err)
	_, _, err = imported(t, templates, twins)
	require.NoError(t, err, "a code says which of two is meant")
}

// A table may be of a whole network. What it has beside the feed is told in one line.
func TestImport_FaresOfOtherStations(t *testing.T) {
	table := "from,to,amount\na,b,1\na,c,1\nb,c,1\n"
	for i := range 8 {
		table += fmt.Sprintf("a,Elsewhere %d,1\n", i)
	}
	templates, folder, err := readTemplates(t, fareTemplates(`{ class: STANDARD, pairs: fares.csv }`), table)
	require.NoError(t, err)
	_, findings, err := imported(t, templates, nil)
	require.NoError(t, err)
	require.Equal(t, []string{folder + "fares.csv: of its 11 stations the feed lacks 8: " +
		"Elsewhere 0, Elsewhere 1, Elsewhere 2, Elsewhere 3, Elsewhere 4 and 3 more"},
		found(findings, "stations of a table of fares are not in the feed"))
}

func TestReadTemplates_TablesAreBounded(t *testing.T) {
	table := "from,to,amount\n" + strings.Repeat("a,b,1\n", 1_000_001)
	_, _, err := readTemplates(t, fareTemplates(`{ class: STANDARD, pairs: fares.csv }`), table)
	require.ErrorContains(t, err, "fares.csv:1000002: tables of fares have at most 1000000 rows together")

	_, err = publish.ParseTemplates("t.yaml", []byte(fareTemplates(`{ class: STANDARD, pairs: fares.csv }`)))
	require.ErrorContains(t, err, "t.yaml:6: pairs: no file can be named here")

	folder := t.TempDir()
	require.NoError(t, syscall.Mkfifo(filepath.Join(folder, "fares.csv"), 0o600))
	_, err = publish.ReadTemplates(filepath.Join(folder, "templates.yaml"),
		strings.NewReader(fareTemplates(`{ class: STANDARD, pairs: fares.csv }`)))
	require.ErrorContains(t, err, "is no plain file", "nobody waits for a pipe")
}

// Trains of one kind with the same calls share their fares, and none has those of other stations.
func TestImport_FaresAreShared(t *testing.T) {
	table := "from,to,amount\na,b,1\na,c,1\nb,c,1\n"
	templates, _, err := readTemplates(t, fareTemplates(`{ class: STANDARD, pairs: fares.csv }`), table)
	require.NoError(t, err)
	h := newHouse(t)
	request := importRequest(t, map[string]string{
		"trips.txt": "route_id,service_id,trip_id,trip_short_name\nr,daily,t1,A 201\nr,daily,t2,A 203\n",
		"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n" +
			"t1,07:00:00,07:00:00,a,1\nt1,08:00:00,08:05:00,b,2\n" +
			"t2,17:00:00,17:00:00,a,1\nt2,18:00:00,18:00:00,b,2\n",
	})
	request.Templates = templates
	_, err = h.Import(t.Context(), request)
	require.NoError(t, err)
	first, _ := h.timetable.Run("A%20201@2026-03-02")
	second, _ := h.timetable.Run("A%20203@2026-03-02")
	require.Same(t, first.Train.Fares, second.Train.Fares)
	require.Equal(t, []rail.CallFares{{SeatClass: rail.Standard, Minor: []int64{100}}}, first.Train.Fares.ByCalls)
}
