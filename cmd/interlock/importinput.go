package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"interlock/services/publish"
	"interlock/services/publish/gtfs"
	"interlock/services/publish/sample"
	"interlock/services/rail"
)

// read makes an import request of the command line and its files. What the feed's reader finds it tells findings.
func (c importCommand) read(ctx context.Context, findings *publish.Findings) (publish.ImportRequest, error) {
	request := publish.ImportRequest{
		Days: c.Days, By: "import", NumberFrom: publish.NumberFrom(c.NumberFrom), NumberWithAgency: c.NumberWithAgency,
		Strict: c.Strict, DryRun: c.DryRun, Findings: findings, FeedName: c.FeedName, Replace: c.Replace,
	}
	options, err := c.options()
	if err != nil {
		return request, err
	}
	request.From = options.From
	if c.Days < 1 || c.Days > publish.MaxDates {
		return request, rail.Refuse(rail.Invalid, "--days is 1 to %d", publish.MaxDates)
	}
	if request.SaleOpens, err = publish.ParseSaleOpens(c.SaleOpens); err != nil {
		return request, rail.Refuse(rail.Invalid, "--sale-opens: %s", messageOf(err))
	}
	if request.Templates, err = c.readTemplates(); err != nil {
		return request, err
	}
	options.Found, request.Selection = findings.Add, publish.Selection(options)
	request.Feed, err = gtfs.ReadFile(ctx, c.Feed, options)
	return request, err
}

// options are what the feed is read with.
func (c importCommand) options() (gtfs.Options, error) {
	options := gtfs.Options{
		MetresPerUnit: c.Unit, MaxMemory: c.MaxMemory << 20, Strict: c.Strict, Days: c.Days, Agencies: c.Agency,
		Routes: c.Routes,
	}
	if c.MaxMemory < 1 || c.MaxMemory > maxImportMiB {
		return options, rail.Refuse(rail.Invalid, "--max-memory is 1 to %d MiB", maxImportMiB)
	}
	if c.StationPrefix != "" {
		options.StationPrefix = rail.NormalizeText(c.StationPrefix)
		if wrong := rail.CheckText("--station-prefix", options.StationPrefix, gtfs.MaxStationPrefix); wrong != nil {
			return options, wrong
		}
	}
	var err error
	if options.RouteTypes, err = parseRouteTypes(c.RouteTypes); err != nil {
		return options, err
	}
	if c.From == "" {
		options.Days = 0
		return options, nil
	}
	if options.From, err = rail.ParseDate(c.From); err != nil {
		return options, rail.Refuse(rail.Invalid, "--from: %v", err)
	}
	return options, nil
}

// parseRouteTypes reads types and ranges of them: "2", "100-117".
func parseRouteTypes(texts []string) ([]gtfs.RouteTypes, error) {
	var all []gtfs.RouteTypes
	for _, text := range texts {
		low, high, isRange := strings.Cut(strings.TrimSpace(text), "-")
		if !isRange {
			high = low
		}
		from, err1 := strconv.ParseUint(low, 10, 16)
		through, err2 := strconv.ParseUint(high, 10, 16)
		if err1 != nil || err2 != nil || through < from {
			return nil, rail.Refuse(rail.Invalid, "--route-types: %q is not a type like 2, or a range like 100-117",
				text)
		}
		all = append(all, gtfs.RouteTypes{From: int(from), Through: int(through)})
	}
	return all, nil
}

// readTemplates reads the file of templates. Only the sample timetable may go without: its coaches, its fares and its
// currency are wrong for any other.
func (c importCommand) readTemplates() (*publish.Templates, error) {
	if c.Templates == "" {
		isSample, err := sample.Is(c.Feed)
		if err != nil {
			return nil, err
		}
		if !isSample {
			return nil, rail.Refuse(rail.Invalid, "a feed has neither coaches nor fares: they come from --templates "+
				"FILE. To write a file to start from: interlock import %s --write-templates templates.yaml", c.Feed)
		}
		return sample.Templates()
	}
	file, err := os.Open(c.Templates)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return publish.ReadTemplates(c.Templates, file)
}

// writeTemplates writes a file of templates to start from.
func (c importCommand) writeTemplates(ctx context.Context, out io.Writer) error {
	if _, err := os.Lstat(c.WriteTemplates); err == nil {
		return rail.Refuse(rail.Invalid, "--write-templates: %s is there already, and is not overwritten",
			c.WriteTemplates)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	options, err := c.options()
	if err != nil {
		return err
	}
	options.Strict = false // What is left out has no kind to find.
	feed, err := gtfs.ReadFile(ctx, c.Feed, options)
	if err != nil {
		return err
	}
	text, kinds, err := publish.StartTemplates(feed, c.Feed, publish.NumberFrom(c.NumberFrom))
	if err != nil {
		return err
	}
	if err := writeNew(c.WriteTemplates, text); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s has the kinds of the feed: %d. Fill in what has no value. Then look what would be "+
		"on sale:\ninterlock import %s --from DATE --days N --templates %s --dry-run\n", c.WriteTemplates, kinds, c.Feed,
		c.WriteTemplates)
	return err
}

// writeNew writes a file that is not there yet.
func writeNew(name string, content []byte) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return errors.Join(err, file.Close())
}

// openReport makes the collector of findings, with the file of --report behind it. An earlier report is overwritten,
// and any other file refused.
func (c importCommand) openReport() (findings *publish.Findings, closeReport func() error, err error) {
	if c.Report == "" {
		return &publish.Findings{}, func() error { return nil }, nil
	}
	file, err := os.OpenFile(c.Report, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, nil, err
	}
	if err := c.emptyReport(file); err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return publish.NewFindings(file), file.Close, nil
}

// emptyReport takes an earlier report out of its file. What is no file, such as a terminal, has none.
func (c importCommand) emptyReport(file *os.File) error {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return err
	}
	header := make([]byte, len(publish.FindingsHeader))
	if _, err := io.ReadFull(file, header); err != nil || string(header) != publish.FindingsHeader {
		return rail.Refuse(rail.Invalid, "--report: %s is there already, and is no report of an import", c.Report)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return file.Truncate(0)
}

// messageOf is what a refusal says, without its code.
func messageOf(err error) string {
	if all := refusals(err); len(all) > 0 {
		return all[0].Message
	}
	return err.Error()
}
