package report

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"text/template"
)

//go:embed benchmarks.md.tmpl
var pageText string

// File is one file of the report, by its path below the folder of documents, with slashes.
type File struct {
	Path    string
	Content []byte
}

const (
	// pagePath is the page, picturesPath the folder of its pictures beside it.
	pagePath     = "benchmarks.md"
	picturesPath = "benchmarks"
)

// ErrNoSale says that there is no document of `lab sell`, which has the machine and the most of the page.
var ErrNoSale = errors.New("what lab sell printed is missing")

// Files are the pages and their pictures, sorted by their paths. Attacks have a page of their own, which needs no other
// document.
func Files(in Input) ([]File, error) {
	var files []File
	if in.Attack != nil {
		page, err := in.attacksPage()
		if err != nil {
			return nil, err
		}
		files = append(files, File{attacksPath, page})
		if alone := (Input{Attack: in.Attack, Notes: in.Notes}); alone == in {
			return files, nil
		}
	}
	if in.Sell == nil {
		return nil, ErrNoSale
	}
	pictures, err := in.pictures()
	if err != nil {
		return nil, err
	}
	page, err := in.page(pictures)
	if err != nil {
		return nil, err
	}
	files = append(files, File{pagePath, page})
	for _, name := range slices.Sorted(maps.Keys(pictures)) {
		files = append(files, File{path.Join(picturesPath, name), pictures[name]})
	}
	return files, nil
}

func (in *Input) page(pictures map[string][]byte) ([]byte, error) {
	t, err := template.New(pagePath).Funcs(template.FuncMap{
		"count": count[int], "number": number, "ratio": ratio, "fine": fine, "percent": percent, "versions": versions,
		"goals": in.goalsTable, "missed": in.missed, "baseline": in.baselineTable,
		"baselineProblems": in.baselineProblems,
		"ceiling":          in.ceilingTable, "scenarios": in.scenarios, "rounds": in.roundsTable,
		"answers": in.answersTable,
		"buyers":  in.buyersTable, "offered": in.offeredTable, "singleBuyer": in.singleBuyerTable,
		"byBuyers":   in.byBuyers,
		"seatsTable": seatsTable, "seatsTrains": in.seatsTrains, "seatsSeeds": in.seatsSeeds,
		"search": in.searchTable, "watch": in.watchTable, "memory": memory,
		"notesMark": func() string { return notesMark },
		"picture": func(name, alt string) string {
			if pictures[name] == nil {
				return ""
			}
			return fmt.Sprintf("![%s](%s)", alt, path.Join(picturesPath, name))
		},
	}).Parse(pageText)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, in); err != nil {
		return nil, err
	}
	return []byte(strings.Replace(fill(b.String()), notesMark, strings.Trim(in.Notes, "\n"), 1)), nil
}

// notesMark stands for the notes until the rest is filled: they are taken over as they are.
const notesMark = "\x00"

// memory is a machine's memory as /proc/meminfo says it, in gigabytes.
func memory(said string) string {
	kibibytes, err := strconv.ParseFloat(strings.TrimSuffix(said, " kB"), 64)
	if err != nil {
		return said
	}
	return number(kibibytes*1024/1e9) + " GB"
}
