// Package sample is the sample timetable that Interlock ships: China's high-speed and intercity trains of March 2016
// (see NOTICE), and templates of coaches and fares for them. It is what `interlock serve --demo` sells.
//
// It holds the files and reads them, knows the feed again, and never publishes anything. Both files are part of the
// binary, so a demo works in an empty folder without a network. What it returns is new with every call.
package sample

import (
	"archive/zip"
	"bytes"
	"context"
	_ "embed"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

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

// Is tells whether a feed, a zip or the folder it was unpacked into, is the sample timetable, by its
// content and not by its name. Of a feed of another length nothing is read.
func Is(path string) (bool, error) {
	info, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	if !info.IsDir() {
		return hasContent(path, feed)
	}
	archive, err := zip.NewReader(bytes.NewReader(feed), int64(len(feed)))
	if err != nil {
		return false, err
	}
	for _, entry := range archive.File {
		content, err := fs.ReadFile(archive, entry.Name)
		if err != nil {
			return false, err
		}
		same, err := hasContent(filepath.Join(path, entry.Name), content)
		if err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

// hasContent tells whether there is a file with a content.
func hasContent(path string, content []byte) (bool, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil || !info.Mode().IsRegular() || info.Size() != int64(len(content)) {
		return false, err
	}
	is, err := os.ReadFile(path)
	return bytes.Equal(is, content), err
}
