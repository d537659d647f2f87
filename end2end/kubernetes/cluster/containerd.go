package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

const kubeletPort = 10250

// containerdNamespace is the one in which the kubelet looks for images.
const containerdNamespace = "k8s.io"

func containerdSocket(folder string) string        { return filepath.Join(folder, "containerd.sock") }
func runtimeAddress(folder string) string          { return "unix://" + containerdSocket(folder) }
func containerdConfiguration(folder string) string { return filepath.Join(folder, "containerd.toml") }

// containerdTOML is its configuration, in the form of containerd 1.6 that 1.7 reads as well.
func containerdTOML(folder, plugins string) string {
	return fmt.Sprintf(`version = 2
root = %q
state = %q
# The first would make a folder in /opt; the others need what a test machine does not have.
disabled_plugins = [
  "io.containerd.internal.v1.opt",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]

[grpc]
  address = %q

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %q
  # Its profile would stay in the kernel.
  disable_apparmor = true
  tolerate_missing_hugetlb_controller = true
  # No pod is to be spared rather than us when memory runs out; and to say so takes a right of its own
  # (CAP_SYS_RESOURCE), which root may not have in a container.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = %q
    conf_dir = %q
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = %q
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
`, filepath.Join(folder, "containerd"), filepath.Join(folder, "containerd-state"), containerdSocket(folder),
		pauseImage, plugins, filepath.Join(folder, "cni"), snapshotter(folder))
}

// snapshotter is how containers get their files: layers laid over one another, or, on a file system that
// itself is made of such layers (we are in a container), copies.
func snapshotter(folder string) string {
	const overlayMagic = 0x794c7630
	var system syscall.Statfs_t
	if err := syscall.Statfs(folder, &system); err == nil && system.Type == overlayMagic {
		return "native"
	}
	return "overlayfs"
}

// load makes an image known to a cluster that runs.
func load(arguments []string) error {
	if len(arguments) != 2 {
		return errUsage
	}
	folder, err := filepath.Abs(arguments[0])
	if err != nil {
		return err
	}
	if ownerOf(folder) == 0 {
		return fmt.Errorf("no cluster runs in %s", folder)
	}
	output, err := importCommand(folder, arguments[1]).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s cannot be loaded: %w: %s", arguments[1], err, strings.TrimSpace(string(output)))
	}
	fmt.Println(strings.TrimSpace(string(output)))
	return nil
}

func importCommand(folder, archive string) *exec.Cmd {
	return exec.Command("ctr", "--address", containerdSocket(folder), "--namespace", containerdNamespace,
		"images", "import", "--snapshotter", snapshotter(folder), archive)
}
