package layers

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/courtside-edge/courtside"

// allowed says for each part of the product which other parts it may import. The longest prefix counts.
var allowed = map[string][]string{
	"firmware":              {"firmware", "drivers", "sync"},
	"firmware/cmd":          {"firmware", "drivers", "sync"},
	"drivers":               {"drivers", "sync/point", "sync/policy"},
	"sync":                  {"sync"},
	"sync/point":            {},
	"sync/interval":         {},
	"sync/policy":           {},
	"cloud":                 {"cloud", "sync"},
	"cloud/venue":           {"cloud/fingerprint", "cloud/log", "cloud/venuemap", "sync"},
	"cloud/venue/venuetest": {"cloud", "sync"},
	"boards":                {"boards", "sync/settings"},
	"tools":                 {"firmware", "drivers", "sync", "cloud", "boards", "tools"},
	"firmware/cmd/gwctl":    {"firmware/ctl", "firmware/diag"},
	"firmware/ctl":          {"firmware/console", "firmware/diag", "firmware/slot", "sync/manual"},
	"firmware/console":      {},
	"firmware/slot":         {},
	"firmware/diag":         {},
	"firmware/doctor":       {"firmware/diag", "sync/point"},
}

// owners says which packages alone may import a library, besides those whose name ends in "test".
var owners = map[string][]string{
	"github.com/goburrow/modbus":          {"drivers/modbus"},
	"github.com/gopcua/opcua":             {"drivers/opcua"},
	"github.com/simonvetter/modbus":       {"drivers/devicetest"},
	"periph.io/x":                         {"drivers/adc"},
	"github.com/eclipse/paho.mqtt.golang": {"sync/mqtt"},
	"github.com/mochi-mqtt/server":        {"cloud/broker"},
	"github.com/dgraph-io/badger":         {"sync/segment"},
	"github.com/spiffe/go-spiffe":         {"sync/identity", "tools/devca"},
	"github.com/klauspost/compress":       {"sync/wire"},
	"github.com/goccy/go-yaml":            {"sync/settings"},
	"github.com/danielgtaylor/huma":       {"cloud/api"},
	"github.com/charmbracelet/bubbletea":  {"firmware/ctl"},
	"github.com/coreos/go-systemd":        {"sync/notify"},
	"github.com/godbus/dbus":              {"firmware/rauc"},
}

type pkg struct {
	ImportPath, Name, Doc, Dir                  string
	Imports, TestImports, XTestImports, GoFiles []string
}

func list(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Name,Doc,Dir,Imports,TestImports,XTestImports,GoFiles", module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 10 {
		t.Fatalf("only %d packages were found; the test would prove nothing", len(all))
	}
	return all
}

func within(path string, folders []string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return path == f || strings.HasPrefix(path, f+"/") })
}

func rule(path string) []string {
	best := ""
	for prefix := range allowed {
		if within(path, []string{prefix}) && len(prefix) > len(best) {
			best = prefix
		}
	}
	return allowed[best]
}

func TestImportsFollowTheHouse(t *testing.T) {
	for _, p := range list(t) {
		path := strings.TrimPrefix(p.ImportPath, module+"/")
		may := rule(path)
		for _, imp := range p.Imports {
			to, ours := strings.CutPrefix(imp, module+"/")
			if !ours || to == path || within(to, may) {
				continue
			}
			if strings.Contains(path, "test") && strings.HasPrefix(path, "drivers/") && within(to, []string{"drivers", "sync"}) {
				continue // suites and fakes of drivers may use more of sync
			}
			t.Errorf("%s imports %s; it may import %v only", path, to, may)
		}
	}
}

func TestEachLibraryHasOneOwner(t *testing.T) {
	used := map[string]bool{}
	for _, p := range list(t) {
		path := strings.TrimPrefix(p.ImportPath, module+"/")
		for _, imp := range p.Imports {
			for lib, who := range owners {
				if !within(imp, []string{lib}) {
					continue
				}
				used[lib] = true
				if !within(path, who) && !strings.Contains(path, "test") {
					t.Errorf("%s imports %s; only %v may", path, imp, who)
				}
			}
		}
	}
	for _, lib := range []string{"github.com/goburrow/modbus", "github.com/gopcua/opcua", "github.com/eclipse/paho.mqtt.golang",
		"github.com/dgraph-io/badger", "github.com/klauspost/compress", "github.com/spiffe/go-spiffe"} {
		if !used[lib] {
			t.Errorf("%s is not used; the product promises it", lib)
		}
	}
}

func TestGroundFloorIsStandardLibraryOnly(t *testing.T) {
	for _, p := range list(t) {
		path := strings.TrimPrefix(p.ImportPath, module+"/")
		if !within(path, []string{"sync/point", "sync/interval", "sync/policy"}) {
			continue
		}
		for _, imp := range p.Imports {
			if first, _, _ := strings.Cut(imp, "/"); strings.Contains(first, ".") {
				t.Errorf("%s imports %s; it stands on the standard library alone", path, imp)
			}
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for _, p := range list(t) {
		path := strings.TrimPrefix(p.ImportPath, module+"/")
		if len(p.GoFiles) > 0 && len(p.Doc) < 40 {
			t.Errorf("%s has no package comment worth the name", path)
		}
		for _, bad := range []string{"util", "common", "manager", "helper", "types", "misc"} {
			if strings.Contains(p.Name, bad) {
				t.Errorf("%s: a package's name is a noun of the field, not %q", path, bad)
			}
		}
	}
}

// TestNothingBeginsBeforeMain finds init functions, and process exits outside main packages.
func TestNothingBeginsBeforeMain(t *testing.T) {
	fset := token.NewFileSet()
	for _, path := range filesEnding(t, ".go") {
		if strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, ".pb.go") {
			continue
		}
		f, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if fn, ok := n.(*ast.FuncDecl); ok && fn.Name.Name == "init" && fn.Recv == nil {
				t.Errorf("%s: init runs before main can assemble anything", fset.Position(fn.Pos()))
			}
			if sel, ok := n.(*ast.SelectorExpr); ok && f.Name.Name != "main" {
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "os" && sel.Sel.Name == "Exit" {
					t.Errorf("%s: only a main ends the process", fset.Position(sel.Pos()))
				}
			}
			return true
		})
	}
}

// filesEnding returns the repository's files with this ending, without what was built or fetched.
func filesEnding(t *testing.T, ending string) (all []string) {
	t.Helper()
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if built := d.Name() == "bin" || d.Name() == "tmp" || strings.HasPrefix(d.Name(), "."); d.IsDir() && built && path != root {
			return fs.SkipDir
		}
		if !d.IsDir() && filepath.Ext(path) == ending {
			all = append(all, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
