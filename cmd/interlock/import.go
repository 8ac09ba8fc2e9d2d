package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/alecthomas/kong"
	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"

	"interlock/services/publish"
	"interlock/services/publish/gtfs"
	"interlock/services/publish/sample"
	"interlock/services/rail"
)

// maxImportMiB is a terabyte: more than any feed needs, and its bytes fit an int64.
const maxImportMiB = 1 << 20

// importHelp are the help texts that are too long for a line of the struct below.
var importHelp = kong.Vars{
	"sale_opens_help": "When the sale opens: now, a time such as 2019-10-01T08:00:00+08:00, or N-days-before.",
	"unit_help":       "How many metres a unit of the feed's shape_dist_traveled has; found out where not given.",
	"max_memory_help": "How many MiB of memory the feed may take: some 100 bytes for each row of stop_times.txt.",
	"templates_help":  "Coaches and fares by kind of train; those of the sample timetable where not given.",
}

type importCommand struct {
	Feed      string  `arg:"" help:"The feed: a zip, or the folder it was unpacked into." placeholder:"FEED.zip"`
	From      string  `required:"" help:"The first service date." placeholder:"DATE"`
	Days      int     `required:"" help:"How many service dates." placeholder:"N"`
	SaleOpens string  `default:"now" help:"${sale_opens_help}"`
	Unit      float64 `help:"${unit_help}" placeholder:"METRES"`
	MaxMemory int64   `default:"1024" help:"${max_memory_help}" placeholder:"MIB"`
	Templates string  `help:"${templates_help}" placeholder:"FILE"`
}

// Run reads the whole feed before it publishes any of it.
func (c importCommand) Run(
	ctx context.Context, settings *Settings, log *slog.Logger, out io.Writer, errs errorStream,
) error {
	request, err := c.read(ctx, log)
	if err != nil {
		return err
	}
	if settings.embedded() {
		if err := settings.dataFolder(); err != nil {
			return err
		}
	}
	opened, err := openStores(ctx, settings, log, false)
	if err != nil {
		return err
	}
	publisher := publish.Publisher{
		Ledger: opened.ledger, Availability: noAvailability{}, Now: time.Now, ClosesBefore: settings.SaleClosesBefore,
		Log: log,
	}
	if opened.cache != nil {
		publisher.Availability = opened.cache
	}
	begun := time.Now()
	request.Progress = progress(errs)
	report, err := publisher.Import(ctx, request)
	if err := errors.Join(err, opened.Close()); err != nil {
		return err
	}
	for _, notice := range report.Notices {
		log.Info(notice)
	}
	_, err = fmt.Fprintf(out, "%d stations, %d trains, %d runs: %d created, %d changed, %d unchanged, in %.1f s\n",
		report.Stations, report.Trains, report.Runs, report.Created, report.Changed, report.Unchanged,
		time.Since(begun).Seconds())
	return err
}

// read makes an import request of the command line and its files.
func (c importCommand) read(ctx context.Context, log *slog.Logger) (publish.ImportRequest, error) {
	request := publish.ImportRequest{Days: c.Days, By: "import"}
	var err error
	if request.From, err = rail.ParseDate(c.From); err != nil {
		return request, rail.Refuse(rail.Invalid, "--from: %v", err)
	}
	if c.MaxMemory < 1 || c.MaxMemory > maxImportMiB {
		return request, rail.Refuse(rail.Invalid, "--max-memory is 1 to %d MiB", maxImportMiB)
	}
	if request.SaleOpens, err = publish.ParseSaleOpens(c.SaleOpens); err != nil {
		return request, err
	}
	if request.Templates, err = c.readTemplates(); err != nil {
		return request, err
	}
	request.Feed, err = gtfs.ReadFile(ctx, c.Feed, gtfs.Options{
		MetresPerUnit: c.Unit, MaxMemory: c.MaxMemory << 20,
		Found: func(finding gtfs.Finding) { log.Info(finding.String()) },
	})
	return request, err
}

func (c importCommand) readTemplates() (*publish.Templates, error) {
	if c.Templates == "" {
		return sample.Templates()
	}
	file, err := os.Open(c.Templates)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return publish.ReadTemplates(c.Templates, file)
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

// noAvailability stands in for Redis where no server runs on the embedded folder. The next server loads what is left from
// the ledger when it starts.
type noAvailability struct{}

func (noAvailability) Load(context.Context, []*rail.Availability) error { return nil }
func (noAvailability) Announce(context.Context, rail.Change) error      { return nil }
func (noAvailability) AnnouncePublication(context.Context) error        { return nil }
