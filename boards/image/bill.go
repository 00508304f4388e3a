package image

import (
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// bill writes what the image is made of: the package manifest, one line a package, and an SBOM (SPDX 2.3, JSON) of Debian's packages and Go's
// modules. Source: https://spdx.github.io/spdx-spec/v2.3/.
func (b *Build) bill(context.Context) error {
	packages, err := b.installed()
	if err != nil {
		return err
	}
	var manifest strings.Builder
	for _, p := range packages {
		fmt.Fprintf(&manifest, "%s %s %s\n", p.Name, p.Version, p.origin)
	}
	if err := replace(b.name(".manifest"), []byte(manifest.String()), 0o644); err != nil {
		return err
	}
	doc := spdx{Version: "SPDX-2.3", License: "CC0-1.0", ID: "SPDXRef-DOCUMENT", Name: "courtside-" + b.Board.ID + "-" + b.Version,
		Namespace: fmt.Sprintf("https://github.com/courtside-edge/courtside/images/%s/%s/%x", b.Board.ID, b.Version, sha256.Sum256([]byte(manifest.String()))),
		Created:   creation{Created: b.Epoch.UTC().Format(time.RFC3339), Creators: []string{"Organization: Courtside", "Tool: courtside image"}}}
	doc.Packages = append(doc.Packages, pkg{ID: "SPDXRef-image", Name: "courtside-" + b.Board.ID, Version: b.Version, Download: "NOASSERTION", Purpose: "OPERATING-SYSTEM"})
	doc.Relations = append(doc.Relations, relation{doc.ID, "DESCRIBES", "SPDXRef-image"})
	for i, p := range packages {
		p.ID, p.Download = fmt.Sprintf("SPDXRef-%d", i), "NOASSERTION"
		doc.Packages = append(doc.Packages, p)
		doc.Relations = append(doc.Relations, relation{"SPDXRef-image", "CONTAINS", p.ID})
	}
	text, err := json.MarshalIndent(doc, "", " ")
	if err != nil {
		return err
	}
	return replace(b.name(".spdx.json"), append(text, '\n'), 0o644)
}

type spdx struct {
	Version   string     `json:"spdxVersion"`
	License   string     `json:"dataLicense"`
	ID        string     `json:"SPDXID"`
	Name      string     `json:"name"`
	Namespace string     `json:"documentNamespace"`
	Created   creation   `json:"creationInfo"`
	Packages  []pkg      `json:"packages"`
	Relations []relation `json:"relationships"`
}

type creation struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

type pkg struct {
	ID       string `json:"SPDXID"`
	Name     string `json:"name"`
	Version  string `json:"versionInfo"`
	Download string `json:"downloadLocation"`
	Purpose  string `json:"primaryPackagePurpose,omitempty"`
	Refs     []ref  `json:"externalRefs,omitempty"`
	origin   string
}

type ref struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

type relation struct {
	From string `json:"spdxElementId"`
	Type string `json:"relationshipType"`
	To   string `json:"relatedSpdxElement"`
}

// installed lists Debian's packages of the root, those of kernel and boot chain, and the Go modules of the programs.
func (b *Build) installed() ([]pkg, error) {
	status, err := os.ReadFile(filepath.Join(b.root(), "var", "lib", "dpkg", "status"))
	if err != nil {
		return nil, err
	}
	var all []pkg
	add := func(kind, name, version, arch string) {
		locator := "pkg:deb/debian/" + name + "@" + version + "?arch=" + arch
		if kind == "golang" {
			locator = "pkg:golang/" + name + "@" + version
		}
		all = append(all, pkg{Name: name, Version: version, origin: kind, Refs: []ref{{"PACKAGE-MANAGER", "purl", locator}}})
	}
	for entry := range strings.SplitSeq(string(status), "\n\n") {
		f := map[string]string{}
		for line := range strings.Lines(entry) {
			if k, v, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
				f[k] = v
			}
		}
		if f["Package"] != "" {
			add("deb", f["Package"], f["Version"], f["Architecture"])
		}
	}
	for _, dir := range append([]string{b.kernel.dir}, values(b.packages)...) {
		if f := strings.SplitN(filepath.Base(dir), "_", 3); len(f) == 3 {
			add("deb", f[0], strings.ReplaceAll(f[1], "%3a", ":"), f[2])
		}
	}
	info, err := buildinfo.ReadFile(filepath.Join(b.Work, "programs", "gateway"))
	if err != nil {
		return nil, err
	}
	add("golang", "std", strings.TrimPrefix(info.GoVersion, "go"), "")
	for _, m := range info.Deps {
		add("golang", m.Path, m.Version, "")
	}
	return all, nil
}
