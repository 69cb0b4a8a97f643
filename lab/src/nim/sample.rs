//! One AIX image, as a practice pair has it: its resources, their files, its rows in xCAT's tables.

/// Where its installation files are.
pub const DEVICE: &str = "/install/nim/lpp_source/610image_lpp_source";

/// The resources of the NIM primary: type, name, location. Their files are on both machines, as rsync of `/install` leaves them.
pub const RESOURCES: &[(&str, &str, &str)] = &[
    ("lpp_source", "610image_lpp_source", DEVICE),
    ("spot", "610image", "/install/nim/spot/610image/usr"),
    ("bosinst_data", "610image_bosinst_data", "/install/nim/bosinst_data/610image_bosinst_data"),
    ("script", "xcataixscript", "/install/nim/scripts/xcataixscript"),
    ("installp_bundle", "xCATaixSN61", "/install/nim/installp_bundle/xCATaixSN61.bnd"),
    ("installp_bundle", "xCATaixSSL", "/install/nim/installp_bundle/xCATaixSSL.bnd"),
];

/// What is in those places.
pub const FILES: &[&str] = &[
    "/install/nim/lpp_source/610image_lpp_source/installp/ppc/bos",
    "/install/nim/spot/610image/usr/lib/boot/network/rc.dd_boot",
    "/install/nim/bosinst_data/610image_bosinst_data",
    "/install/nim/scripts/xcataixscript",
    "/install/nim/installp_bundle/xCATaixSN61.bnd",
    "/install/nim/installp_bundle/xCATaixSSL.bnd",
];

/// A row: its table, its columns that are set.
pub type SampleRow = (&'static str, &'static [(&'static str, &'static str)]);

/// Its rows.
pub const ROWS: &[SampleRow] = &[
    ("osimage", &[("imagename", "610image"), ("imagetype", "NIM"), ("osname", "AIX"), ("provmethod", "nimnodeset")]),
    (
        "nimimage",
        &[
            ("imagename", "610image"),
            ("nimtype", "standalone"),
            ("lpp_source", "610image_lpp_source"),
            ("spot", "610image"),
            ("nimmethod", "rte"),
            ("script", "xcataixscript"),
            ("bosinst_data", "610image_bosinst_data"),
            ("installp_bundle", "xCATaixSN61,xCATaixSSL"),
        ],
    ),
];
