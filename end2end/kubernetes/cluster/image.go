package main

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// The images that every cluster has. Their names are of no registry, and their tag is not `latest`, so the
// kubelet never tries to pull them.
const (
	pauseImage = "elb-dashboard.test/pause:1"
	// blastImage has the programs of BLAST+ as this machine has them, and a shell (busybox).
	blastImage = "elb-dashboard.test/blast:1"
)

// blastPrograms are the ones of Debian's package that searches and databases need.
var blastPrograms = []string{
	"blastn", "blastp", "blastx", "tblastn", "tblastx", "psiblast", "rpsblast", "rpsblast+", "rpstblastn",
	"blast_formatter", "blastdbcmd", "blastdb_aliastool", "makeblastdb", "makeprofiledb", "deltablast",
	"dustmasker", "segmasker", "windowmasker",
}

// file of an image: where it is here and where it is there.
type file struct{ source, target string }

// picture is an image in the making: one layer with its files and how it is run.
type picture struct {
	tag   string
	files []file
	// links by their place: what they point to.
	links      map[string]string
	entrypoint []string
	user       string
}

// buildImages writes the archives of both images and says where they are.
func buildImages(folder string) ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	pause := picture{tag: pauseImage, files: []file{{filepath.Join(filepath.Dir(self), "pause"), "/pause"}}, entrypoint: []string{"/pause"}}
	blast, err := blastPicture()
	if err != nil {
		return nil, err
	}
	archives := []string{filepath.Join(folder, "pause.tar"), filepath.Join(folder, "blast.tar")}
	for i, image := range []picture{pause, blast} {
		if err := image.write(archives[i]); err != nil {
			return nil, err
		}
	}
	return archives, nil
}

func blastPicture() (picture, error) {
	var files []file
	for _, program := range blastPrograms {
		if path, err := exec.LookPath(program); err == nil {
			files = append(files, file{path, "/usr/bin/" + program})
		}
	}
	return withShell(picture{tag: blastImage, files: files})
}

// withShell adds busybox as the shell and the usual small programs, and the libraries of all files.
func withShell(p picture) (picture, error) {
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return p, err
	}
	p.files = append(p.files, file{busybox, "/bin/busybox"})
	names, err := exec.Command(busybox, "--list").Output()
	if err != nil {
		return p, fmt.Errorf("busybox --list: %w", err)
	}
	p.links = map[string]string{}
	for _, name := range strings.Fields(string(names)) {
		if name != "busybox" {
			p.links["/bin/"+name] = "busybox"
		}
	}
	return p, p.addLibraries()
}

// addLibraries adds what the dynamic linker would load for the files, at the place where it looks.
func (p *picture) addLibraries() error {
	have := map[string]bool{}
	for _, file := range p.files {
		have[file.target] = true
	}
	// Those that it adds itself are not looked at.
	for _, program := range p.files {
		output, err := exec.Command("ldd", program.source).CombinedOutput()
		if err != nil {
			// "not a dynamic executable": a static program or a script, which needs none.
			continue
		}
		for _, line := range strings.Split(string(output), "\n") {
			if strings.Contains(line, "not found") {
				return fmt.Errorf("%s needs a library that is not here: %s", program.source, strings.TrimSpace(line))
			}
			for _, word := range strings.Fields(line) {
				if strings.HasPrefix(word, "/") && !have[word] {
					have[word] = true
					p.files = append(p.files, file{word, word})
				}
			}
		}
	}
	return nil
}

// write writes the image as the archive that `docker save` would make.
func (p *picture) write(path string) error {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer out.Close()
	layerFile, err := os.CreateTemp(filepath.Dir(path), "layer-")
	if err != nil {
		return err
	}
	defer os.Remove(layerFile.Name())
	defer layerFile.Close()
	digest := sha256.New()
	if err := p.writeLayer(io.MultiWriter(layerFile, digest)); err != nil {
		return err
	}
	type object = map[string]any
	layer := hex.EncodeToString(digest.Sum(nil))
	config := object{"architecture": "amd64", "os": "linux",
		"rootfs": object{"type": "layers", "diff_ids": []string{"sha256:" + layer}},
		"config": object{"Env": []string{"PATH=/usr/local/bin:/usr/bin:/bin"}, "Entrypoint": p.entrypoint, "User": p.user, "WorkingDir": "/"}}
	configuration, err := json.Marshal(config)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%x.json", sha256.Sum256(configuration))
	manifest, err := json.Marshal([]object{{"Config": name, "RepoTags": []string{p.tag}, "Layers": []string{layer + ".tar"}}})
	if err != nil {
		return err
	}
	archive := tar.NewWriter(out)
	for _, entry := range []struct {
		name    string
		content []byte
	}{{"manifest.json", manifest}, {name, configuration}} {
		if err := writeEntry(archive, tar.Header{Name: entry.name, Mode: 0o644, Size: int64(len(entry.content))}, strings.NewReader(string(entry.content))); err != nil {
			return err
		}
	}
	size, err := layerFile.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if _, err := layerFile.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := writeEntry(archive, tar.Header{Name: layer + ".tar", Mode: 0o644, Size: size}, layerFile); err != nil {
		return err
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return out.Close()
}

// writeLayer writes its files in the order of their names and without times: the same files make the
// same layer.
func (p *picture) writeLayer(to io.Writer) error {
	archive := tar.NewWriter(to)
	type entry struct {
		header  tar.Header
		source  string
		content string
	}
	entries := map[string]entry{
		"tmp":        {header: tar.Header{Typeflag: tar.TypeDir, Mode: 0o1777}},
		"etc/passwd": {header: tar.Header{Typeflag: tar.TypeReg, Mode: 0o644}, content: "root:x:0:0:root:/:/bin/sh\nnobody:x:65532:65532:nobody:/:/bin/sh\n"},
		"etc/group":  {header: tar.Header{Typeflag: tar.TypeReg, Mode: 0o644}, content: "root:x:0:\nnobody:x:65532:\n"},
	}
	for _, file := range p.files {
		entries[strings.TrimPrefix(file.target, "/")] = entry{header: tar.Header{Typeflag: tar.TypeReg, Mode: 0o755}, source: file.source}
	}
	for place, target := range p.links {
		entries[strings.TrimPrefix(place, "/")] = entry{header: tar.Header{Typeflag: tar.TypeSymlink, Linkname: target, Mode: 0o777}}
	}
	for name := range entries {
		for parent := filepath.Dir(name); parent != "."; parent = filepath.Dir(parent) {
			if _, there := entries[parent]; !there {
				entries[parent] = entry{header: tar.Header{Typeflag: tar.TypeDir, Mode: 0o755}}
			}
		}
	}
	var names []string
	for name := range entries {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		entry := entries[name]
		entry.header.Name = name
		var content io.Reader = strings.NewReader(entry.content)
		entry.header.Size = int64(len(entry.content))
		if entry.source != "" {
			source, err := os.Open(entry.source)
			if err != nil {
				return err
			}
			info, err := source.Stat()
			if err == nil {
				entry.header.Size = info.Size()
				err = writeEntry(archive, entry.header, source)
			}
			source.Close()
			if err != nil {
				return fmt.Errorf("%s: %w", entry.source, err)
			}
			continue
		}
		if err := writeEntry(archive, entry.header, content); err != nil {
			return err
		}
	}
	return archive.Close()
}

func writeEntry(archive *tar.Writer, header tar.Header, content io.Reader) error {
	header.ModTime, header.Format = time.Unix(0, 0), tar.FormatPAX
	if err := archive.WriteHeader(&header); err != nil {
		return err
	}
	if header.Typeflag == tar.TypeDir || header.Typeflag == tar.TypeSymlink {
		return nil
	}
	_, err := io.Copy(archive, content)
	return err
}

// image builds one out of files of this machine.
func image(arguments []string) error {
	var p picture
	var out string
	for i := 0; i < len(arguments); i++ {
		var into *string
		switch arguments[i] {
		case "--tag":
			into = &p.tag
		case "--out":
			into = &out
		case "--user":
			into = &p.user
		default:
			source, target, named := strings.Cut(arguments[i], "=")
			if !named {
				target = "/usr/bin/" + filepath.Base(source)
			}
			p.files = append(p.files, file{source, target})
			continue
		}
		if i++; i == len(arguments) {
			return errUsage
		}
		*into = arguments[i]
	}
	if p.tag == "" || out == "" || len(p.files) == 0 {
		return errUsage
	}
	if !strings.Contains(filepath.Base(p.tag), ":") || strings.HasSuffix(p.tag, ":latest") {
		return fmt.Errorf("%s needs a tag other than `latest`, which the kubelet would want to pull", p.tag)
	}
	p, err := withShell(p)
	if err != nil {
		return err
	}
	return p.write(out)
}
