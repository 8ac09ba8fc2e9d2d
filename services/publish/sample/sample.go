// Package sample is the sample timetable that Interlock ships: China's high-speed and intercity trains of March 2016
// (see NOTICE), and templates of coaches and fares for them. It is what `interlock serve --demo` sells.
//
// It holds the files and reads them, and never publishes anything. Both files are part of the binary, so a demo works
// in an empty folder without a network. What it returns is new with every call.
package sample

import (
	"bytes"
	"context"
	_ "embed"

	"interlock/services/publish"
	"interlock/services/publish/gtfs"
)

//go:embed china-hsr-2016.gtfs.zip
var feed []byte

//go:embed templates.yaml
var templates []byte

// Feed reads the sample timetable, of which nothing is left out.
func Feed(ctx context.Context) (*gtfs.Feed, error) {
	return gtfs.ReadZip(ctx, bytes.NewReader(feed), int64(len(feed)), gtfs.Options{Strict: true})
}

// Templates reads the coaches and fares of the sample's trains. They have a default for any other.
func Templates() (*publish.Templates, error) {
	return publish.ParseTemplates("the sample's templates.yaml", templates)
}

// TemplatesFile is the text of the templates, to start one's own file from.
func TemplatesFile() []byte { return bytes.Clone(templates) }
