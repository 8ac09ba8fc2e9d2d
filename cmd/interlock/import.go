package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/alecthomas/kong"
	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"

	"interlock/services/ledger"
	"interlock/services/publish"
	"interlock/services/rail"
)

// maxImportMiB is a terabyte: more than any feed needs, and its bytes fit an int64.
const maxImportMiB = 1 << 20

// importHelp are the help texts that are too long for a line of the struct below.
var importHelp = kong.Vars{
	"sale_opens_help": "When the sale opens: now, a time such as 2019-10-01T08:00:00+08:00, N-days-before, or " +
		"\"N-days-before at 08:00\".",
	"unit_help":       "How many metres a unit of the feed's shape_dist_traveled has; found out where not given.",
	"max_memory_help": "How many MiB of memory the feed may take: some 100 bytes for each row of stop_times.txt.",
	"templates_help":  "Coaches and fares by kind of train. Only the sample timetable has its own.",
	"write_templates_help": "Write a file of templates to start from, with the kinds of the feed, and import " +
		"nothing. A file that is there is never overwritten.",
	"number_from_help": "Where the numbers of trains come from: short-name, trip-id or headsign. Where it is empty, " +
		"a number is the trip_id.",
	"number_with_agency_help": "Agencies, by id or name, that trains have before their numbers as written here: " +
		"SBB IC 1.",
	"feed_help": "The name that the runs remember the feed by; the name of the feed's first agency where not given.",
	"replace_help": "Take off sale what the feed, by its name, no longer has: runs with orders are suspended, the " +
		"others withdrawn.",
	"station_prefix_help": "Text before the codes of the feed's stations, where another feed has the same codes for " +
		"other places: XX-.",
	"agency_help":      "Import the trains of these agencies alone, by agency_id or agency_name.",
	"routes_help":      "Import these routes alone, by route_id or route_short_name.",
	"route_types_help": "Import routes of these types alone, as GTFS numbers them: 2,100-117.",
	"dry_run_help":     "Tell what would be on sale, and write nothing.",
	"strict_help":      "Refuse a feed of which anything would be left out.",
	"report_help":      "Write all that is left out or worked out into a file, as CSV.",
}

type importCommand struct {
	Feed             string   `arg:"" help:"The feed: a zip, or a folder it is unpacked in." placeholder:"FEED.zip"`
	From             string   `help:"The first service date." placeholder:"DATE"`
	Days             int      `help:"How many service dates." placeholder:"N"`
	Templates        string   `help:"${templates_help}" placeholder:"FILE"`
	WriteTemplates   string   `help:"${write_templates_help}" placeholder:"FILE"`
	DryRun           bool     `help:"${dry_run_help}"`
	Strict           bool     `help:"${strict_help}"`
	Report           string   `help:"${report_help}" placeholder:"FILE"`
	SaleOpens        string   `default:"now" help:"${sale_opens_help}"`
	FeedName         string   `name:"feed" help:"${feed_help}" placeholder:"NAME"`
	Replace          bool     `help:"${replace_help}"`
	StationPrefix    string   `help:"${station_prefix_help}" placeholder:"PREFIX"`
	Agency           []string `help:"${agency_help}" placeholder:"AGENCY"`
	Routes           []string `help:"${routes_help}" placeholder:"ROUTE"`
	RouteTypes       []string `help:"${route_types_help}" placeholder:"TYPE"`
	NumberFrom       string   `default:"short-name" enum:"short-name,trip-id,headsign" help:"${number_from_help}"`
	NumberWithAgency []string `help:"${number_with_agency_help}" placeholder:"AGENCY"`
	Unit             float64  `help:"${unit_help}" placeholder:"METRES"`
	MaxMemory        int64    `default:"1024" help:"${max_memory_help}" placeholder:"MIB"`
}

// Validate wants dates where trains are put on sale.
func (c importCommand) Validate() error {
	if c.WriteTemplates == "" && (c.From == "" || c.Days == 0) {
		return errors.New("an import needs --from DATE and --days N")
	}
	return nil
}

// Run reads the whole feed before it publishes any of it.
func (c importCommand) Run(
	ctx context.Context, settings *Settings, log *slog.Logger, out io.Writer, errs errorStream,
) error {
	begun := time.Now()
	if c.WriteTemplates != "" {
		return c.writeTemplates(ctx, out)
	}
	findings, closeReport, err := c.openReport()
	if err != nil {
		return err
	}
	report, err := c.run(ctx, settings, log, findings, errs)
	if err == nil || !c.Strict {
		err = errors.Join(err, findings.Print(errs)) // A refusal for being strict has named it all.
	}
	if err := errors.Join(err, findings.Flush(), closeReport()); err != nil {
		return err
	}
	if c.DryRun {
		err = tellDryRun(out, &report)
	} else {
		_, err = fmt.Fprintf(out, "%s: %s, in %.1f s\n", inWords(&report), became(&report), time.Since(begun).Seconds())
	}
	if n := findings.LeftOut(); n > 0 && err == nil {
		if _, err = fmt.Fprintf(out, "left out: %d\n", n); err == nil {
			err = errLeftOut
		}
	}
	return err
}

// run reads, plans, asks the ledger what it would do, and does it.
func (c importCommand) run(
	ctx context.Context, settings *Settings, log *slog.Logger, findings *publish.Findings, errs errorStream,
) (publish.ImportReport, error) {
	request, err := c.read(ctx, findings)
	if err != nil {
		return publish.ImportReport{}, err
	}
	publisher := publish.Publisher{
		Availability: noAvailability{}, Now: time.Now, ClosesBefore: settings.SaleClosesBefore, Log: log,
	}
	opened := &stores{}
	// A feed without trains or templates makes no folder and no ledger.
	request.Open = func() (err error) {
		if opened, err = c.open(ctx, settings, log); err != nil {
			opened = &stores{}
			return err
		}
		publisher.Ledger = opened.ledger
		if opened.ledger == nil {
			publisher.Ledger = nothingPublished{}
		}
		if opened.cache != nil {
			publisher.Availability = opened.cache
		}
		return nil
	}
	request.Progress = progress(errs)
	report, err := publisher.Import(ctx, request)
	return report, errors.Join(err, opened.Close())
}

// open opens what is published into. A dry run makes nothing: where there is no ledger yet, it opens none.
func (c importCommand) open(ctx context.Context, settings *Settings, log *slog.Logger) (*stores, error) {
	switch {
	case !c.DryRun && settings.embedded():
		if err := settings.dataFolder(); err != nil {
			return nil, err
		}
	case c.DryRun && settings.embedded():
		if _, err := os.Stat(ledgerOptions(settings).Path); errors.Is(err, fs.ErrNotExist) {
			return &stores{}, nil
		}
	}
	if c.DryRun {
		return openAsTheyAre(ctx, settings, log)
	}
	return openStores(ctx, settings, log, false)
}

// nothingPublished stands in for the ledger of a dry run where there is none yet: every run would be created.
type nothingPublished struct{ publish.Ledger }

// PublishFeed tells that it would create the runs.
func (nothingPublished) PublishFeed(
	_ context.Context, _ ledger.Feed, runs []*rail.Run, _ string, _ bool,
) ([]ledger.Publication, error) {
	publications := make([]ledger.Publication, len(runs))
	for i, run := range runs {
		publications[i] = ledger.Publication{Run: run, Version: 1, Outcome: ledger.RunCreated}
	}
	return publications, nil
}

// OtherStations are none.
func (nothingPublished) OtherStations(
	context.Context, string, []rail.StationCode,
) ([]ledger.OtherStation, error) {
	return nil, nil
}

// FeedRuns are none.
func (nothingPublished) FeedRuns(context.Context, ledger.FeedPage) ([]ledger.FeedRun, error) {
	return nil, nil
}

// maxShownKinds is how many kinds a dry run lists: what fits on a screen.
const maxShownKinds = 50

// tellDryRun prints what would be on sale.
func tellDryRun(out io.Writer, report *publish.ImportReport) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "kind\ttrains\truns\n")
	for _, kind := range report.Kinds[:min(len(report.Kinds), maxShownKinds)] {
		note := ""
		switch {
		case kind.Skipped > 0:
			note = publish.Counted(kind.Skipped, "trip") + " skipped"
		case kind.ByDefault:
			note = "by the default template"
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%s\n", shownKind(kind.Kind), kind.Trains, kind.Runs, note)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if more := len(report.Kinds) - maxShownKinds; more > 0 {
		fmt.Fprintf(out, "… and %d more kinds\n", more)
	}
	_, err := fmt.Fprintf(out, "would be on sale: %s: %s\n", inWords(report), became(report))
	return err
}

// maxShownKind is how many characters of a kind's name fit beside its counts.
const maxShownKind = 40

// shownKind is a kind's name in a table on a terminal: cut, and without characters that would command the terminal.
func shownKind(name string) string {
	shown := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, name)
	if characters := []rune(shown); len(characters) > maxShownKind {
		return string(characters[:maxShownKind-1]) + "…"
	}
	return shown
}

// inWords counts what is on sale: "2 stations, 1 train, 5 runs".
func inWords(report *publish.ImportReport) string {
	return publish.Counted(report.Stations, "station") + ", " + publish.Counted(report.Trains, "train") + ", " +
		publish.Counted(report.Runs, "run")
}

// became says what became of runs. What the feed left alone, or no longer has, is said where there is any.
func became(report *publish.ImportReport) string {
	text := fmt.Sprintf("%d created, %d changed, %d unchanged", report.Created, report.Changed, report.Unchanged)
	for _, more := range []struct {
		runs int
		what string
	}{
		{report.Left, "left as they are"},
		{report.Missing, "no longer in the feed"},
		{report.Withdrawn, "withdrawn"},
		{report.Suspended, "suspended"},
	} {
		if more.runs > 0 {
			text += fmt.Sprintf(", %d %s", more.runs, more.what)
		}
	}
	return text
}

// progressLine is the least time between two lines where there is no terminal.
const progressLine = 5 * time.Second

// progress draws a bar on a terminal, and writes plain lines elsewhere.
func progress(to errorStream) func(done, total int) {
	if f, ok := to.Writer.(*os.File); ok && isatty.IsTerminal(f.Fd()) {
		return progressBar(f)
	}
	var told time.Time
	return func(done, total int) {
		if done == total || time.Since(told) >= progressLine {
			told = time.Now()
			fmt.Fprintf(to, "%d of %d runs\n", done, total)
		}
	}
}

func progressBar(terminal *os.File) func(done, total int) {
	var bar *progressbar.ProgressBar
	return func(done, total int) {
		if bar == nil {
			bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(terminal),
				progressbar.OptionSetDescription("runs"),
				progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true),
				progressbar.OptionOnCompletion(func() { fmt.Fprintln(terminal) }))
		}
		_ = bar.Set(done)
	}
}

// noAvailability stands in for Redis where no server runs on the embedded folder. The next server loads what is left
// from the ledger when it starts.
type noAvailability struct{}

func (noAvailability) Load(context.Context, []*rail.Availability) error { return nil }
func (noAvailability) Announce(context.Context, rail.Change) error      { return nil }
func (noAvailability) AnnouncePublication(context.Context) error        { return nil }
