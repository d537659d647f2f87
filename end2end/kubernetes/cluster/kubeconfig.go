package main

import (
	"encoding/json"
	"os"
)

// writeKubeconfig writes how to reach the API server and who one is there, in one file that needs no
// other. It is JSON, which is YAML.
func writeKubeconfig(path, server string, ca *authority, who pair) error {
	var certificates [3][]byte
	for i, file := range []string{ca.file(), who.certificate, who.key} {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		certificates[i] = content
	}
	const name = "elb-dashboard-test"
	type object = map[string]any
	content, err := json.MarshalIndent(object{
		"apiVersion": "v1",
		"kind":       "Config",
		// Bytes are written in base64, as the format wants them.
		"clusters": []object{{"name": name, "cluster": object{
			"server": server, "certificate-authority-data": certificates[0]}}},
		"users": []object{{"name": name, "user": object{
			"client-certificate-data": certificates[1], "client-key-data": certificates[2]}}},
		"contexts":        []object{{"name": name, "context": object{"cluster": name, "user": name}}},
		"current-context": name,
	}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(content, '\n'), 0o600)
}
