package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The README's "Your own timetable", walked through with small feeds of three styles: a metro by frequencies, a
// regional railway of two agencies with buses in its feed, a night train over three time zones.
func TestCommands_YourOwnTimetable(t *testing.T) {
	for name, c := range map[string]struct {
		// kinds are those of the file to start from.
		kinds []string
		// flags are what helps beside it.
		flags []string
		code  int
		// says is on the screen, sold and leftOut in the result.
		says          []string
		sold, leftOut string
		// from and to have the trains on sale, in their order.
		from, to string
		trains   []string
		price    string
	}{
		"metro": {
			kinds: []string{`"1": # 8 trips: metro`},
			code:  exitLeftOut,
			says:  []string{"frequencies.txt:4"},
			sold:  "3 stations, 8 trains, 8 runs", leftOut: "left out: 1",
			from: "CEN", to: "LAG", trains: []string{
				"south 06:00", "south 06:30", "south 07:00", "south 07:30", "south 08:00", "south 08:30", "south 09:00",
				"south 10:00",
			},
			price: "1.87",
		},
		"regional": {
			kinds: []string{`"RE": # 3 trips: rail`, `"RB": # 1 trip: rail`, `"type:700": # 14 trips: bus`},
			code:  exitLeftOut,
			says: []string{
				`trips.txt:5: train 4711 (trip "rb0"): trip "re0" in line 2 is train 4711 on`, "--number-with-agency",
				"stop_times.txt:14", "trips.txt:7", `bus0`,
				`kinds that the templates skip: routes.txt: kind "type:700": 14 trips`,
			},
			sold: "3 trains, 3 runs", leftOut: "left out: 4",
			from: "berg", to: "see", trains: []string{"4711", "4713", "4715"}, price: "7.67",
		},
		"regional, two agencies told apart, and no buses": {
			kinds: []string{`"RE": # 3 trips: rail`, `"RB": # 1 trip: rail`},
			flags: []string{"--number-with-agency", "Privatbahn", "--route-types", "100-117"},
			code:  exitLeftOut,
			sold:  "3 stations, 4 trains, 4 runs", leftOut: "left out: 2",
			from: "see", to: "tal", trains: []string{"Privatbahn 4711"}, price: "3.84",
		},
		"night": {
			kinds: []string{`"Sleeper": # 2 trips: rail, such as "491/492 Balkan Night"`},
			code:  exitLeftOut,
			says:  []string{`train 492/491 (trip "trip-b"): trip "trip-a" in line 2 is train 491/492 on`},
			sold:  "4 stations, 1 train, 1 run", leftOut: "left out: 1",
			from: "BEG", to: "IST", trains: []string{"491/492"}, price: "196.00",
		},
	} {
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "interlock-data")
			feed := filepath.Join("testdata", "feeds", strings.Split(name, ",")[0])
			file := filepath.Join(t.TempDir(), "templates.yaml")
			code, out, errs := command(t, folder,
				append([]string{"import", feed, "--write-templates", file}, c.flags...)...)
			require.Zero(t, code, errs)
			written, err := os.ReadFile(file)
			require.NoError(t, err)
			for _, kind := range c.kinds {
				require.Contains(t, string(written), kind)
			}
			require.Contains(t, out, fmt.Sprintf("has the kinds of the feed: %d.", len(c.kinds)))

			filled := strings.NewReplacer("currency:", "currency: EUR", "numbers: #", "numbers: 1 #",
				"class: #", "class: STANDARD #", "per_km:", "per_km: 0.20").Replace(string(written))
			require.NoError(t, os.WriteFile(file, []byte(filled), 0o600))
			put := append([]string{"import", feed, "--from", day(), "--days", "1", "--templates", file}, c.flags...)
			code, out, errs = command(t, folder, append(put, "--dry-run")...)
			require.Equal(t, c.code, code, errs)
			require.Contains(t, out, c.sold)
			require.Contains(t, out, c.leftOut+"\n")
			require.NoDirExists(t, folder)
			for _, says := range c.says {
				require.Contains(t, errs, says)
			}
			code, out, errs = command(t, folder, put...)
			require.Equal(t, c.code, code, errs)
			require.Contains(t, out, c.sold)

			settings := embeddedSettings(t)
			settings.Data = folder
			r := start(t, settings)
			found := r.ask(t, "", searchQuery, map[string]any{"f": []string{c.from}, "t": []string{c.to}, "d": day()})
			var trains []string
			for _, node := range found.at(t, "searchTickets.nodes").([]any) {
				run := node.(map[string]any)["run"].(map[string]any)
				trains = append(trains, run["train"].(map[string]any)["number"].(string))
			}
			require.Equal(t, c.trains, trains)
			require.Equal(t, c.price, found.at(t, "searchTickets.nodes.0.classes.0.price.amount"))
		})
	}
}
