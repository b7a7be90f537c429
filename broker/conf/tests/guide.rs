//! The files of the guide "Cassia MQTT bypass mode" (2020), word for word, and the one that Debian installs.

use std::path::{Path, PathBuf};

use broker_conf::{InMemory, Overrides, Settings, parse};

fn read(text: impl Into<Vec<u8>>) -> Settings {
    let main = Path::new("/etc/mosquitto/mosquitto.conf");
    parse(Some(main), &mut InMemory::one(main, text), &Overrides::default()).expect("the guide's file is good")
}

/// Chapter 2, section 3.2; scenario 2.
const PASSWORD: &str = "\
#服务进程的系统用户
user root
#服务绑定的端口号，可修改
port 1883
#允许的最大连接数，-1 表示没有限制
max_connections -1
#不允许匿名用户
allow_anonymous false
#配置用户密码文件
password_file /etc/mosquitto/pwfile
#配置 topic 和用户文件
acl_file /etc/mosquitto/acl
";

/// Scenario 1.
const OPEN: &str = "\
#服务进程的系统用户
user root
#服务绑定的端口号，可修改
port 1883
#允许的最大连接数，-1 表示没有限制
max_connections -1
#不允许匿名用户
allow_anonymous true
";

/// Scenario 3, added to the file of scenario 2.
const PSK: &str = "\
#配置 psk 验证
psk_hint true
psk_file /etc/mosquitto/pskfile
";

/// Scenario 4, added to the file of scenario 2.
const CERTIFICATE: &str = "\
#配置psk验证
#psk_hint true
#psk_file /etc/mosquitto/pskfile
#配置证书验证
cafile /etc/mosquito/certs/ca.crt
certfile /etc/mosquito/certs/server.crt
keyfile /etc/mosquito/certs/server.key
";

#[test]
fn scenario_1_lets_anyone_in() {
    let settings = read(OPEN);
    let [listener] = &settings.listeners[..] else { panic!("one listener") };
    assert!(!settings.local_only && listener.allow_anonymous);
    assert_eq!((listener.port, listener.address.as_deref(), listener.max_connections), (1883, None, None));
    assert!(listener.password_file.is_none() && listener.acl_file.is_none());
    assert!(listener.certificates.is_none() && listener.psk.is_none());
    assert_eq!(settings.user.map(|user| user.value).as_deref(), Some("root"));
}

#[test]
fn scenario_2_asks_for_user_and_password() {
    let settings = read(PASSWORD);
    let [listener] = &settings.listeners[..] else { panic!("one listener") };
    assert!(!listener.allow_anonymous);
    let path = |file: &Option<broker_conf::Located<PathBuf>>| file.clone().map(|file| file.value);
    assert_eq!(path(&listener.password_file), Some("/etc/mosquitto/pwfile".into()));
    assert_eq!(path(&listener.acl_file), Some("/etc/mosquitto/acl".into()));
    let place = listener.acl_file.as_ref().map(|file| file.at.to_string());
    assert_eq!(place.as_deref(), Some("/etc/mosquitto/mosquitto.conf:12"));
}

#[test]
fn scenario_3_opens_the_psk_door() {
    let settings = read(format!("{PASSWORD}{PSK}"));
    let [listener] = &settings.listeners[..] else { panic!("one listener") };
    let psk = listener.psk.as_ref().expect("psk");
    assert_eq!(psk.hint.value, "true");
    assert_eq!(psk.file.as_ref().map(|file| file.value.as_path()), Some(Path::new("/etc/mosquitto/pskfile")));
    assert!(listener.certificates.is_none() && listener.password_file.is_some());
}

#[test]
fn scenario_4_opens_the_certificate_door() {
    let settings = read(format!("{PASSWORD}{CERTIFICATE}"));
    let [listener] = &settings.listeners[..] else { panic!("one listener") };
    let certificates = listener.certificates.as_ref().expect("certificates");
    assert_eq!(certificates.certfile.value, Path::new("/etc/mosquito/certs/server.crt"));
    assert!(!certificates.require_certificate && listener.psk.is_none());
}

#[test]
fn scenarios_3_and_4_together_open_both_doors_which_the_guide_says_mosquitto_cannot() {
    let settings = read(format!("{PASSWORD}{PSK}{CERTIFICATE}"));
    let [listener] = &settings.listeners[..] else { panic!("one listener") };
    assert!(listener.certificates.is_some() && listener.psk.is_some());
}

#[test]
fn the_comments_may_be_in_gbk() {
    let mut text = b"#\xb7\xfe\xce\xf1\xbd\xf8\xb3\xcc\r\n".to_vec();
    text.extend(OPEN.replace('\n', "\r\n").bytes());
    assert_eq!(read(text).listeners.len(), 1);
}

#[test]
fn the_file_that_debian_installs_is_read_with_its_folder() {
    let main = Path::new("/etc/mosquitto/mosquitto.conf");
    let text = "# Place your local configuration in /etc/mosquitto/conf.d/\n#\n\n\
                pid_file /run/mosquitto/mosquitto.pid\n\npersistence true\n\
                persistence_location /var/lib/mosquitto/\n\nlog_dest file /var/log/mosquitto/mosquitto.log\n\n\
                include_dir /etc/mosquitto/conf.d\n";
    let mut files = InMemory::one(main, text)
        .with("/etc/mosquitto/conf.d/README", "Any files placed in this directory that have a .conf ending")
        .with("/etc/mosquitto/conf.d/bypass.conf", PASSWORD);
    let settings = parse(Some(main), &mut files, &Overrides::default()).expect("good");
    assert_eq!(settings.files, [main, Path::new("/etc/mosquitto/conf.d/bypass.conf")]);
    assert_eq!(settings.pid_file.map(|file| file.value), Some("/run/mosquitto/mosquitto.pid".into()));
    assert_eq!(settings.log.to_file.map(|file| file.value), Some("/var/log/mosquitto/mosquitto.log".into()));
    assert!(!settings.local_only && !settings.log.to_stderr);
    assert!(settings.persistence.is_on);
    assert_eq!(settings.persistence.location.map(|at| at.value), Some("/var/lib/mosquitto/".into()));
    let told: Vec<String> = settings.warnings.iter().map(ToString::to_string).collect();
    assert!(told.len() == 1 && told[0].contains("The 'port' option is now deprecated"), "{told:?}");
}
